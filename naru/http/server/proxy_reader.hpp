// A connection whose header of the PROXY protocol is being read: what an HTTP connection or a TLS handshake
// comes after.
#pragma once

#include <naru/http/server/connection_terms.hpp>
#include <naru/http/server/proxy_header.hpp>
#include <naru/loop/loop.hpp>

#include <array>
#include <cstddef>

namespace naru::http {

class worker;

/// Of one worker, from its pool. Its handle is the worker's again when the header is complete.
struct proxy_reader : receive_into_operation, timer {
    proxy_reader(worker& of, handle accepted, const connection_terms& under) noexcept;

    worker& owner;
    connection_terms terms;
    proxy_header header;
    bool late = false;  // its deadline has passed
    std::array<std::byte, 256> room;
};

}  // namespace naru::http
