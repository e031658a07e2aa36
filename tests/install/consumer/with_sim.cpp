// An hour of waiting in virtual time; naru's headers tell the simulated time here, in the program, too.
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <chrono>
#include <cstdio>

namespace {

naru::task<naru::duration> wait() {
    const auto before = naru::clock::now();
    (void)co_await naru::sleep_for(std::chrono::hours(1));
    co_return naru::clock::now() - before;
}

}  // namespace

int main() {
    naru::sim::world world;
    const auto loop = world.here().make_loop();
    const naru::duration passed = naru::run(*loop, wait());
    const bool works = passed >= std::chrono::hours(1);
    std::puts(works ? "sim works" : "sim does not work");
    return works ? 0 : 1;
}
