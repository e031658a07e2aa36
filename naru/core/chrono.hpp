// Durations and points in time. The whole <chrono> of libstdc++ brings calendars, and with them streams and
// locales: a quarter of what a file costs that includes naru.hpp.
#pragma once

#include <naru/core/language.hpp>

#if __has_include(<bits/chrono.h>)
#include <bits/chrono.h>
#else
#include <chrono>
#endif
