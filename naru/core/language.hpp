// The language that naru is written in, said before anything else fails for the want of it.
#pragma once

#if __cplusplus <= 202002L
#error "naru needs C++23: compile with -std=c++23 (GCC 12.2 or newer, clang 19 or newer)"
#endif
