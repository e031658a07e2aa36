// Connected streams of every kind, for tests that all of them must pass.
#pragma once

#include "support/conformance.hpp"
#include "support/toy_stream.hpp"

#include <naru/naru.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace naru::testing {

inline std::pair<tcp_stream, tcp_stream> tcp_streams(naru::loop& on) {
    auto sockets = tcp_pair();
    tcp_stream ours = tcp_stream::adopt(on, std::move(sockets.ours)).value();
    return {std::move(ours), tcp_stream::adopt(on, std::move(sockets.peer)).value()};
}

template <class Stream>
std::pair<toy_stream<Stream>, toy_stream<Stream>> toys(std::pair<Stream, Stream> over) {
    return {toy_stream(std::move(over.first)), toy_stream(std::move(over.second))};
}
template <class Stream>
std::pair<any_stream, any_stream> erased(std::pair<Stream, Stream> what) {
    return {any_stream(std::move(what.first)), any_stream(std::move(what.second))};
}

/// Calls `visit(sender, receiver)` for each kind of stream that has two directions.
template <class Visit>
void for_every_duplex(naru::loop& on, Visit visit) {
    const auto each = [&](const char* kind, auto pair) {
        SCOPED_TRACE(kind);
        visit(std::move(pair.first), std::move(pair.second));
    };
    each("tcp", tcp_streams(on));
    each("toy cipher over tcp", toys(tcp_streams(on)));
    each("any stream over tcp", erased(tcp_streams(on)));
    each("any stream over toy cipher over tcp", erased(toys(tcp_streams(on))));
    each("toy cipher over any stream over tcp", toys(erased(tcp_streams(on))));
#if !defined(_WIN32)
    if (in_simulation()) return;  // pairs and pipes are the system's
    each("unix", unix_stream::pair(on).value());
    each("toy cipher over unix", toys(unix_stream::pair(on).value()));
#endif
}

/// And for a pipe, where only the sender sends.
template <class Visit>
void for_every_stream(naru::loop& on, Visit visit) {
    for_every_duplex(on, visit);
#if !defined(_WIN32)
    if (in_simulation()) return;
    SCOPED_TRACE("pipe");
    auto pipe = pipe_stream::make(on).value();
    visit(std::move(pipe.writer), std::move(pipe.reader));
#endif
}

/// The error of what must have failed; none if it has not.
template <class T>
std::error_code error_of(const result<T>& failed) {
    return failed ? std::error_code() : failed.error();
}

/// The text and the error that ended it.
struct received_stream {
    std::string text;
    std::error_code end;
};

template <byte_stream Stream>
task<received_stream> receive_all(Stream& from) {
    received_stream got;
    while (true) {
        auto data = co_await from.receive();
        if (!data) {
            got.end = data.error();
            co_return got;
        }
        got.text += data->text();
    }
}

/// Sends the text, and the end.
template <byte_stream Stream>
task<result<std::size_t>> send_whole(Stream& to, const std::string& text) {
    auto sent = co_await to.send(text);
    if (!sent) co_return sent;
    auto ended = co_await to.shutdown();
    if (!ended) co_return fail(ended.error());
    co_return sent;
}

}  // namespace naru::testing
