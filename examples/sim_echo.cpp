// An echo service, and clients that check it, in a hundred simulated worlds with misfortune: sim_echo
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <cstdio>
#include <deque>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace {

// The service, as it would run anywhere.
naru::task<> echo(naru::tcp_stream peer) {
    while (auto data = co_await peer.receive()) {
        if (!co_await peer.send(*data)) break;
    }
}

naru::task<> serve(naru::loop& on) {
    auto listener = naru::tcp_listener::bind(on, ":7");
    if (!listener) co_return;
    auto accepting = [&](naru::task_group& clients) -> naru::task<> {
        while (auto peer = co_await listener->accept())
            clients.spawn(echo(std::move(*peer)));
    };
    co_await naru::with_supervisor(accepting, naru::print_failure);
}

// A client. A connection may fail, but nothing that comes back is wrong.
naru::task<> check(naru::loop& on, std::string where, naru::sim::world& world, int number) {
    auto server = co_await naru::tcp_stream::connect(on, where);
    world.sometimes(!server, "a connect fails");
    if (!server) co_return;
    for (int line = 0; line < 20; ++line) {
        const std::string text = std::to_string(number) + " says " + std::to_string(line) + "\n";
        auto sent = co_await server->send(text);
        world.sometimes(!sent, "a send fails");
        if (!sent) co_return;  // of a text that has gone in part the rest never comes back
        std::string got(text.size(), ' ');
        naru::buffered_reader reader(*server);
        auto filled = co_await reader.fill(got);
        world.sometimes(!filled, "a receive fails");
        if (!filled) co_return;
        world.require(got == text, "what came back is not what was sent");
    }
    world.sometimes(true, "everything came back");
}

void one_world(naru::sim::world& world) {
    naru::sim::host& server = world.add_host("server");
    naru::sim::process service(server, [](naru::loop& on) { return serve(on); });
    const auto on = world.add_host("clients").make_loop();
    std::deque<naru::started_task<>> clients;
    for (int each = 0; each < 10; ++each)
        clients.emplace_back(*on, check(*on, server.at_port(7), world, each));
    for (auto& each : clients) {
        world.require(world.run_until([&] { return each.ended(); }), "a client waits for what never comes");
        each.stop();
        (void)world.run_until([&] { return each.ended(); });
    }
}

}  // namespace

int main(int count, char** /*words*/) {
    if (count > 1) {
        std::fputs("usage: sim_echo\n", stderr);
        return 1;
    }
    naru::sim::seed_options options;
    options.world.least_latency = 1ms;
    options.world.most_latency = 20ms;
    options.world.backends = naru::sim::manner::completion;
    options.world.faults = naru::sim::faults_of_all_kinds(100);
    for (const auto never : {naru::sim::fault::datagram_lost, naru::sim::fault::accepted_ahead})
        options.world.faults.one_in[never] =
            0;  // nobody sends datagrams, and tcp_listener takes who is asked for
    const naru::sim::seed_report found = naru::sim::run_seeds(options, one_world);
    std::fputs(found.text().c_str(), stdout);
    return found.passed() ? 0 : 1;
}
