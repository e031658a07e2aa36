// What choose_backend needs to know of a platform: its engines, and how each is made.
#pragma once

#include <naru/backend/choose_backend.hpp>

namespace naru {

/// The engines that `automatic` tries, best first. The last of them works wherever naru does.
std::span<const engine> automatic_order() noexcept;

/// Makes one of all_engines(). Writes into `choice` what there is to say about it. Throws std::system_error
/// or std::runtime_error when it cannot be used.
std::unique_ptr<backend> make_backend(engine which, uring_options options, backend_choice& choice);

}  // namespace naru
