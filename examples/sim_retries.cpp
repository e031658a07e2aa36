// A client with retries against a server whose host fails again and again, in fifty simulated worlds:
// sim_retries
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace {

// The server gives the square of each line's number.
naru::task<> answer(naru::tcp_stream peer) {
    naru::buffered_reader lines(peer);
    while (auto line = co_await lines.line()) {
        const long number = std::atol(std::string(naru::as_text(*line)).c_str());
        if (!co_await naru::sleep_for(200ms)) break;  // it thinks
        const std::string text = std::to_string(number * number) + "\n";
        if (!co_await peer.send(text)) break;
    }
}

naru::task<> serve(naru::loop& on) {
    auto listener = naru::tcp_listener::bind(on, ":9");
    if (!listener) co_return;
    auto accepting = [&](naru::task_group& clients) -> naru::task<> {
        while (auto peer = co_await listener->accept())
            clients.spawn(answer(std::move(*peer)));
    };
    co_await naru::with_supervisor(accepting, naru::print_failure);
}

naru::task<naru::result<long>> ask_once(naru::loop& on, std::string where, long number) {
    auto server = co_await naru::with_deadline(5s, naru::tcp_stream::connect(on, where));
    if (!server) co_return naru::fail(server.error());
    const std::string text = std::to_string(number) + "\n";
    auto sent = co_await server->send(text);
    if (!sent) co_return naru::fail(sent.error());
    naru::buffered_reader lines(*server);
    auto line = co_await naru::with_deadline(5s, lines.line());
    if (!line) co_return naru::fail(line.error());
    co_return std::atol(std::string(naru::as_text(*line)).c_str());
}

naru::task<> client(naru::loop& on, std::string where, naru::sim::world& world) {
    for (long number = 1; number <= 20; ++number) {
        int attempts = 0;
        auto attempt = [&] {
            ++attempts;
            return ask_once(on, where, number);
        };
        auto square = co_await naru::retry(naru::back_off(30, 100ms, 2s), attempt);
        world.require(square.has_value(), "thirty attempts were not enough");
        world.require(!square || *square == number * number, "a wrong square");
        world.sometimes(attempts > 1, "an attempt fails");
        world.sometimes(attempts > 3, "three attempts in a row fail");
    }
}

void one_world(naru::sim::world& world) {
    naru::sim::host& host = world.add_host("server");
    naru::sim::process server(host, [](naru::loop& on) { return serve(on); });
    const auto on = world.add_host("client").make_loop();
    naru::started_task<> asking(*on, client(*on, host.at_port(9), world));
    const auto done = [&] { return asking.ended(); };
    while (!world.run_until(done, 1s + world.random_span(3s))) {
        server.crash();
        (void)world.run_until(done, world.random_span(1s));
        server.restart();
    }
}

}  // namespace

int main(int count, char** /*words*/) {
    if (count > 1) {
        std::fputs("usage: sim_retries\n", stderr);
        return 1;
    }
    naru::sim::seed_options options;
    options.seeds = 50;
    options.world.least_latency = 1ms;
    options.world.most_latency = 20ms;
    options.world.faults.one_in[naru::sim::fault::reset] = 20;
    options.world.faults.one_in[naru::sim::fault::connect_refused] = 10;
    options.world.faults.one_in[naru::sim::fault::no_descriptor] = 20;
    const naru::sim::seed_report found = naru::sim::run_seeds(options, one_world);
    std::fputs(found.text().c_str(), stdout);
    return found.passed() ? 0 : 1;
}
