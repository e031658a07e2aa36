// What choose_backend needs to know of a platform: its engines, and how each is made.
#pragma once

#include <naru/backend/choose_backend.hpp>

namespace naru {

/// The engines that `automatic` tries, best first. The last of them works wherever naru does.
std::span<const engine> automatic_order() noexcept;

/// Makes one of all_engines(), for the loop `index` of several. Writes into `choice` what there is to say
/// about it. Throws std::system_error or std::runtime_error when it cannot be used.
std::unique_ptr<backend> make_backend(engine which, const backend_options& options, unsigned index,
                                      backend_choice& choice);

/// What the system's environment answers with.
backend_choice choose_of_the_systems(engine which, const backend_options& options, unsigned index) noexcept;

}  // namespace naru
