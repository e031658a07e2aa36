// Owns the precompiled header.
#include "precompiled.hpp"
