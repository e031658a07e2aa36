// What is known of one request under way: for its deadlines, and for the error that may come of it.
#pragma once

#include <naru/http/client/client_error.hpp>
#include <naru/os/address.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace naru::http {

struct request_record {
    instant begun = clock::now();
    instant end = never;  ///< client_timeouts::total
    std::string url;
    std::optional<address> peer;
    bool maybe_processed = false;
    bool was_left_out = false;  ///< the rest of the body, since the answer had come and nothing went on

    /// When a step that begins now has to be over.
    instant by(duration span) const noexcept { return std::min(end, saturating_add(clock::now(), span)); }

    client_error error(client_step step, std::error_code code, std::string_view detail = {}) const {
        client_error made;
        made.step = step;
        made.error = code;
        made.detail = detail;
        made.url = url;
        if (peer) made.peer = peer->text();
        made.after = clock::now() - begun;
        made.maybe_processed = maybe_processed;
        return made;
    }
    std::unexpected<client_error> failure(client_step step, std::error_code code,
                                          std::string_view detail = {}) const {
        return std::unexpected(error(step, code, detail));
    }
    std::unexpected<client_error> failure(client_step step, int error_number,
                                          std::string_view detail = {}) const {
        return failure(step, std::error_code(error_number, errno_category()), detail);
    }
};

}  // namespace naru::http
