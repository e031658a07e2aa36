// A server in a world: whoever connects gets back what he says.
#pragma once

#include <naru/naru.hpp>

#include <utility>

namespace naru::testing {

inline task<> echo(tcp_stream peer) {
    while (auto data = co_await peer.receive()) {
        if (!co_await peer.send(*data)) break;
    }
}

inline task<> serve(tcp_listener listener) {
    co_await with_supervisor(
        [&](task_group& clients) -> task<> {
            while (auto peer = co_await listener.accept())
                clients.spawn(echo(std::move(*peer)));
        },
        print_failure);
}

}  // namespace naru::testing
