// Owns a precompiled header.
#include "precompiled.hpp"
