// What nearly every test includes: parsed once for each test program.
#pragma once

#include <naru/naru.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>
