// A counter on two hosts, with a mistake in it that a simulated world finds in a moment: sim_counter [fixed]
//
// Clients add to the first, which tells the second before it says so. Who gets no answer asks again. The
// mistake: an answer may be lost after the counting, and what is asked again is counted again. Fixed, each
// host remembers what it has counted.
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <cstdio>
#include <cstring>
#include <deque>
#include <set>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace {

naru::task<naru::result<bool>> add_once(naru::loop& on, std::string where, std::string name) {
    auto to = co_await naru::tcp_stream::connect(on, where);
    if (!to) co_return naru::fail(to.error());
    const std::string text = name + "\n";
    auto sent = co_await to->send(text);
    if (!sent) co_return naru::fail(sent.error());
    naru::buffered_reader lines(*to);
    auto answer = co_await naru::with_deadline(2s, lines.line());
    if (!answer) co_return naru::fail(answer.error());
    co_return true;
}

// Until it is known to be done.
naru::task<naru::result<bool>> add(naru::loop& on, std::string where, std::string name) {
    auto attempt = [&] { return add_once(on, where, name); };
    auto added = co_await naru::retry(naru::back_off(20, 50ms, 1s), attempt);
    co_return added;
}

struct replica {
    bool remembers;
    std::string next;  // "10.0.0.2:5": who is told; empty: nobody
    int count = 0;
    std::set<std::string> counted = {};

    naru::task<> talk(naru::tcp_stream peer) {
        naru::buffered_reader lines(peer);
        while (auto line = co_await lines.line()) {
            const std::string name(naru::as_text(*line));
            if (!remembers || counted.insert(name).second) ++count;
            if (!next.empty()) {
                auto told = co_await add(peer.home(), next, name);
                if (!told) co_return;
            }
            if (!co_await peer.send("ok\n")) co_return;
        }
    }

    naru::task<> serve(naru::loop& on) {
        auto listener = naru::tcp_listener::bind(on, ":5");
        if (!listener) co_return;
        auto accepting = [&](naru::task_group& clients) -> naru::task<> {
            while (auto peer = co_await listener->accept())
                clients.spawn(talk(std::move(*peer)));
        };
        co_await naru::with_supervisor(accepting, naru::print_failure);
    }
};

naru::task<> client(naru::loop& on, std::string where, naru::sim::world& world, int number) {
    for (int each = 0; each < 5; ++each) {
        auto added = co_await add(on, where, std::to_string(number) + "." + std::to_string(each));
        world.require(added.has_value(), "an addition was given up");
    }
}

void one_world(naru::sim::world& world, bool fixed) {
    naru::sim::host& first = world.add_host("first");
    naru::sim::host& second = world.add_host("second");
    replica behind{fixed, ""};
    replica before{fixed, second.at_port(5)};
    naru::sim::process two(second, [&](naru::loop& on) { return behind.serve(on); });
    naru::sim::process one(first, [&](naru::loop& on) { return before.serve(on); });
    const auto on = world.add_host("clients").make_loop();
    std::deque<naru::started_task<>> clients;
    for (int each = 0; each < 4; ++each)
        clients.emplace_back(*on, client(*on, first.at_port(5), world, each));
    for (auto& each : clients)
        (void)world.run_until([&] { return each.ended(); });
    world.require(before.count == 20,
                  "the first host has counted " + std::to_string(before.count) + " of 20");
    world.require(behind.count == 20,
                  "the second host has counted " + std::to_string(behind.count) + " of 20");
}

}  // namespace

int main(int count, char** words) {
    const bool fixed = count == 2 && std::strcmp(words[1], "fixed") == 0;
    if (count > 1 && !fixed) {
        std::fputs("usage: sim_counter [fixed]\n", stderr);
        return 1;
    }
    naru::sim::seed_options options;
    options.world.least_latency = 1ms;
    options.world.most_latency = 20ms;
    options.world.short_counts = true;
    options.world.faults.one_in[naru::sim::fault::reset] = 200;
    options.world.faults.one_in[naru::sim::fault::segment_lost] = 20;
    options.world.faults.one_in[naru::sim::fault::connect_refused] = 50;
    const auto found =
        naru::sim::run_seeds(options, [fixed](naru::sim::world& world) { one_world(world, fixed); });
    std::fputs(found.text().c_str(), stdout);
    if (fixed) return found.passed() ? 0 : 1;
    std::puts(found.seed ? "the mistake is found" : "the mistake is not found");
    return found.seed ? 0 : 1;
}
