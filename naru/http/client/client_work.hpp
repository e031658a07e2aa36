// What one request is made of while it is under way; for client's own sources.
#pragma once

#include <naru/coro/nursery.hpp>
#include <naru/http/client/client.hpp>

#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace naru::http {

/// The sending as a child, beside whoever reads the answer.
struct client::both_ways {
    explicit both_ways(stop_scope& outer) noexcept : children(outer) {}

    /// Before each attempt, when nothing is under way.
    void begin(loop& on) noexcept {
        constexpr bool alone = false;
        sending.emplace(on, alone);
        answer.emplace();
        sent.reset();
        failed = is_late = false;
    }

    /// From the end of the sending on, until the answer's head has come.
    struct late_step : timer {
        explicit late_step(both_ways& of) noexcept
            : timer([](timer& self) noexcept {
                  both_ways& of_it = static_cast<late_step&>(self).owner;
                  of_it.is_late = true;
                  of_it.answer->stop();
              }),
              owner(of) {}
        both_ways& owner;
    };

    naru::detail::nursery children;
    std::optional<upload> sending;
    std::optional<stop_scope> answer;  // what is awaited of it; stopped when the request has failed
    late_step late{*this};
    std::optional<result<void>> sent;  // how that has ended
    std::exception_ptr thrown;         // by the body's source
    bool failed = false;               // the sending, and not for the answer's sake
    bool is_late = false;
};

/// One request, from its first hop to its last.
struct client::work {
    explicit work(client_request&& made) : request(std::move(made)) {}
    client_request request;
    http::url at;
    request_record record;
    unsigned hops = 0;
    std::string fault;          // of a streamed body
    both_ways* both = nullptr;  // if the answer is read while the body is sent
};

}  // namespace naru::http
