// A service that is asked in datagrams: a number, and a text that follows from it.
#pragma once

#include <naru/naru.hpp>

#include <string>

namespace naru::campaign {

/// Until it is stopped.
task<> answer_datagrams(loop& on, std::string where);

}  // namespace naru::campaign
