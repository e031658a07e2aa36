// What idle connections can ask for in place of an answer: to become WebSockets (RFC 6455, section 4).
#pragma once

#include <load/request.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace naru::load {

/// The opening handshake, the same for all connections of a run: the key is there to tell a server from a
/// cache that does not know what it answers, and secret from nobody.
struct websocket_upgrade {
    std::string request;
    std::string key;
};

/// `target`: path and query on the server of `where`. An error: one that is no target.
or_words<websocket_upgrade> make_websocket_upgrade(const url& where, std::string_view target);

/// Reads the 101 answers of one thread's connections. Memory only for a head that has come in part; without
/// it the program ends.
class upgrade_reader {
 public:
    enum class outcome : std::uint8_t { need_more, complete, bad };

    /// Takes bytes that came to the connection `who`. complete: it is a WebSocket, and what came behind the
    /// head is passed over. bad: `problem` says why.
    outcome take(std::uint32_t who, std::string_view input, const websocket_upgrade& asked) noexcept;
    /// What came to `who` so far is of no interest: it begins anew.
    void forget(std::uint32_t who) noexcept { partial_.erase(who); }

    const char* problem() const noexcept { return problem_; }

 private:
    outcome look(std::string_view text, const websocket_upgrade& asked) noexcept;

    std::unordered_map<std::uint32_t, std::string> partial_;
    std::string last_;  // a head that was right: the next one is mostly the same
    const char* problem_ = "";
};

}  // namespace naru::load
