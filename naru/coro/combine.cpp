#include <naru/coro/combine.hpp>

#include <naru/loop/environment.hpp>

#include <random>

namespace naru::detail {

duration jittered(duration pause, double jitter) {
    std::minstd_rand numbers(static_cast<std::minstd_rand::result_type>(environment::current().entropy()));
    const double part = std::clamp(jitter, 0.0, 1.0) * std::uniform_real_distribution<double>(0, 1)(numbers);
    return duration(static_cast<duration::rep>(static_cast<double>(pause.count()) * (1 - part)));
}

}  // namespace naru::detail
