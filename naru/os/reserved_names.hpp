// Names that Windows takes for something else than the file of that name.
#pragma once

#include <string_view>

namespace naru {

/// Whether one component of a path names on Windows the file that it says and nothing else. False for
///  - the empty name, "." and "..";
///  - characters that Windows gives a meaning or forbids: / \ : * ? " < > | and everything below space. A
///  colon
///    makes a drive (`C:`) or an alternate data stream (`page.html::$DATA` is page.html);
///  - a trailing dot or space, which Windows drops (`secret.txt.` is secret.txt);
///  - devices, alone or with any extension, in any case: CON, PRN, AUX, NUL, CONIN$, CONOUT$, CLOCK$, COM0 to
///    COM9 and LPT0 to LPT9, the latter two also with the superscripts 1, 2 and 3 ("Naming Files, Paths, and
///    Namespaces", Microsoft);
///  - short names (`PROGRA~1.HTM`), which are second names of files that have a longer one: what is refused
///  or
///    hidden by its name must not be had by the other. A file whose real name looks like that cannot be
///    served. A short name may also be without a tilde, but then only if somebody has set it by hand.
/// Pure text: it works the same on every platform.
bool is_plain_windows_name(std::string_view component) noexcept;

}  // namespace naru
