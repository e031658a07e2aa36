// The I/O models that the lab compares.
#pragma once

#include <naru/backend/choose_backend.hpp>

#include <span>
#include <string_view>

namespace naru::lab {

struct model {
    std::string_view name;  ///< on the command line and in the reports
    bool threads = false;   ///< one blocking thread for each connection; otherwise:
    naru::engine engine = naru::engine::automatic;
    bool multishot = true;  ///< io_uring: accept and receive stay armed
};

/// In the order of the report: from the oldest to the newest.
std::span<const model> all_models() noexcept;

/// Nullptr if there is none of that name.
const model* model_named(std::string_view name) noexcept;

/// The backend a model runs on. Its `reason` says why there is none.
backend_choice make_backend(const model& which) noexcept;

}  // namespace naru::lab
