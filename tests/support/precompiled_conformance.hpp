// What nearly every conformance test includes.
#pragma once

#include "precompiled.hpp"

#include "support/conformance.hpp"
