// What the tests of handlers share.
#pragma once

#include "fixture.hpp"

#include <atomic>
#include <semaphore>
#include <string>
#include <string_view>

namespace naru::testing {

class handler_fixture : public http_server_test {
 protected:
    static std::string post(std::string_view target, std::string_view body, std::string_view fields = {}) {
        return request("POST", target,
                       std::string(fields) + "Content-Length: " + std::to_string(body.size()) + "\r\n") +
               std::string(body);
    }

    /// What a handler that waits has seen of its end.
    struct ending {
        std::binary_semaphore begun{0};
        std::binary_semaphore ended{0};
        std::atomic<bool> stopped{false};
    };
};

}  // namespace naru::testing
