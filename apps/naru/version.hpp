// What naru --version says.
#pragma once

#include <string>

namespace naru::program {

/// The version, and how this program was built: its kind of build, compiler, engines and libraries, a line
/// each.
std::string version_text();

}  // namespace naru::program
