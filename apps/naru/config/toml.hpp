// toml++, as this program uses it.
#pragma once

#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 assumes in parse_key what it then checks, and a file with "[[[" breaks the assumption: an abort,
// or with NDEBUG undefined behaviour. Without it the check gives the error.
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT_ASSUME(condition) static_assert(true)
#include <toml++/toml.h>
