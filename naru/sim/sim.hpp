// Everything a program needs to run in a simulated world.
#pragma once

#include <naru/core/language.hpp>

#include <naru/sim/faults.hpp>
#include <naru/sim/host.hpp>
#include <naru/sim/process.hpp>
#include <naru/sim/seeds.hpp>
#include <naru/sim/world.hpp>
