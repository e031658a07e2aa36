// Codings that are made when a file is loaded, or a page that shows a directory.
#pragma once

#include <naru/http/handlers/document.hpp>

namespace naru::http {

/// Whether a file is of a size and type for it, and has not been encoded by hand.
bool can_be_encoded(const document& loaded) noexcept;

/// Adds the codings that this build can make and that make it smaller; without the memory for it, none. Takes
/// a while, and may block: for a worker thread.
void encode_document(document& loaded) noexcept;
/// The same for the page of a directory.
void encode_listing(document& page) noexcept;

}  // namespace naru::http
