// Timers with a million others pending: naru's wheel beside libuv's heap and Asio's heap, in the same run.
// "spread" touches the timers in a random order, as requests of many clients do; each costs its cache misses.
#include <naru/loop/timers.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#ifdef NARU_HAVE_LIBUV
#include <uv.h>
#endif
#ifdef NARU_HAVE_ASIO
#include <asio.hpp>
#endif

namespace {

using namespace std::chrono_literals;

constexpr std::size_t pending = 1'000'000;

// The same deadlines for everybody: between 10 and 70 s ahead, as keep-alive deadlines are.
std::vector<std::uint32_t> deadlines_ms() {
    std::mt19937 random(7);
    std::uniform_int_distribution<std::uint32_t> spread(10'000, 70'000);
    std::vector<std::uint32_t> values(pending);
    for (auto& each : values)
        each = spread(random);
    return values;
}

// Which timer comes next: one after another, or anyone.
std::vector<std::uint32_t> order(bool spread) {
    std::mt19937 random(11);
    std::vector<std::uint32_t> values(pending);
    for (std::uint32_t index = 0; index < pending; ++index)
        values[index] = index;
    if (spread) std::shuffle(values.begin(), values.end(), random);
    return values;
}

struct naru_fixture {
    struct one : naru::timer {
        one() noexcept : timer([](naru::timer&) noexcept {}) {}
    };
    naru::instant now = naru::clock::now();
    naru::timer_wheel wheel{now};
    std::unique_ptr<one[]> timers = std::make_unique<one[]>(pending);
    void arm(std::size_t index, std::uint32_t ms) {
        wheel.arm(timers[index], now + std::chrono::milliseconds(ms));
    }
    void cancel(std::size_t index) { wheel.disarm(timers[index]); }
    ~naru_fixture() {
        for (std::size_t index = 0; index < pending; ++index)
            wheel.disarm(timers[index]);
    }
};

#ifdef NARU_HAVE_LIBUV
struct libuv_fixture {
    uv_loop_t loop{};
    std::unique_ptr<uv_timer_t[]> timers = std::make_unique<uv_timer_t[]>(pending);
    libuv_fixture() {
        uv_loop_init(&loop);
        for (std::size_t index = 0; index < pending; ++index)
            uv_timer_init(&loop, &timers[index]);
    }
    void arm(std::size_t index, std::uint32_t ms) {
        uv_timer_start(&timers[index], [](uv_timer_t*) {}, ms, 0);
    }
    void cancel(std::size_t index) { uv_timer_stop(&timers[index]); }
    ~libuv_fixture() {
        for (std::size_t index = 0; index < pending; ++index)
            uv_close(reinterpret_cast<uv_handle_t*>(&timers[index]), nullptr);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
    }
};
#endif

#ifdef NARU_HAVE_ASIO
struct asio_fixture {
    asio::io_context context{1};
    asio::steady_timer::time_point now = asio::steady_timer::clock_type::now();
    std::vector<asio::steady_timer> timers;
    asio_fixture() {
        timers.reserve(pending);
        for (std::size_t index = 0; index < pending; ++index)
            timers.emplace_back(context);
    }
    void arm(std::size_t index, std::uint32_t ms) {
        timers[index].expires_at(now + std::chrono::milliseconds(ms));
        timers[index].async_wait([](std::error_code) {});
    }
    void cancel(std::size_t index) {
        timers[index].cancel();
        context.poll();  // a cancelled wait completes: that is part of what cancelling costs
    }
};
#endif

template <class Fixture>
void rearm(benchmark::State& state) {
    Fixture fixture;
    const auto when = deadlines_ms();
    const auto next = order(state.range(0) != 0);
    for (std::size_t index = 0; index < pending; ++index)
        fixture.arm(index, when[index]);
    std::size_t at = 0;
    std::uint32_t later = 0;
    for (auto _ : state) {
        const std::size_t index = next[at];
        fixture.arm(index, when[index] + later);
        if (++at == pending) {
            at = 0;
            later += 1000;  // each time round, every deadline is pushed back, as a request does
        }
    }
}

template <class Fixture>
void arm_and_cancel(benchmark::State& state) {
    Fixture fixture;
    const auto when = deadlines_ms();
    const auto next = order(state.range(0) != 0);
    for (std::size_t index = 0; index < pending; ++index)
        fixture.arm(index, when[index]);
    std::size_t at = 0;
    for (auto _ : state) {  // two operations an iteration: reported per operation below
        const std::size_t index = next[at];
        fixture.cancel(index);
        fixture.arm(index, when[index]);
        if (++at == pending) at = 0;
    }
    state.counters["ns_per_operation"] =
        benchmark::Counter(2.0, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void shapes(benchmark::internal::Benchmark* each) {
    each->ArgName("spread")->Arg(0)->Arg(1)->Iterations(3'000'000);
}

BENCHMARK(rearm<naru_fixture>)->Apply(shapes);
BENCHMARK(arm_and_cancel<naru_fixture>)->Apply(shapes);
#ifdef NARU_HAVE_LIBUV
BENCHMARK(rearm<libuv_fixture>)->Apply(shapes);
BENCHMARK(arm_and_cancel<libuv_fixture>)->Apply(shapes);
#endif
#ifdef NARU_HAVE_ASIO
BENCHMARK(rearm<asio_fixture>)->Apply(shapes);
BENCHMARK(arm_and_cancel<asio_fixture>)->Apply(shapes);
#endif

}  // namespace

BENCHMARK_MAIN();
