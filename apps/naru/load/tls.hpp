// https: what the connections of a run begin TLS with.
#pragma once

#include <load/request.hpp>
#include <naru/core/result.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/stream/tls/tls_context.hpp>

#include <memory>
#include <optional>
#include <string>

namespace naru {
class loop;
}

namespace naru::load {

struct tls_options {
    std::optional<tls_context> context;  ///< none: clear text
    std::string host;                    ///< that is asked for, and whose certificate it must be
    bool resume = false;                 ///< begin connections with what earlier ones have left
    bool http2 = false;                  ///< that must have been agreed upon (ALPN)
};

/// `ca_file`: instead of the system's roots. `http2`: ask for that, and for nothing else. Errors: what cannot
/// be read; that there is no TLS (Windows).
or_words<tls_options> make_tls_options(const url& where, bool verify, const std::string& ca_file, bool resume,
                                       bool http2);

/// Of one loop. On its thread.
class tls_beginnings {
 public:
    /// TLS before a connected socket, which is the result's from here on; its writable says when it is there.
    result<handle> begin(loop& on, handle socket, const tls_options& with) noexcept;
    /// An answer has come: what the server has said of the next connection is kept.
    void answered(loop& on, handle connection, const tls_options& with) noexcept;
    /// After the handshake: what is missing for the protocol that is to be spoken; nullptr if nothing is.
    static const char* lacks(loop& on, handle connection, const tls_options& with) noexcept;
    /// Why a handshake has failed, in words.
    static std::string why(loop& on, handle connection);

 private:
    struct sessions;
    std::shared_ptr<sessions> sessions_;
};

}  // namespace naru::load
