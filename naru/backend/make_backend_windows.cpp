#include <naru/backend/make_backend.hpp>

#include <naru/backend/iocp/backend.hpp>
#include <naru/backend/readiness/backend.hpp>

#include <array>

namespace naru {

namespace {

constexpr std::array engines{engine::select, engine::poll, engine::iocp};
constexpr std::array best_first{engine::iocp};

}  // namespace

std::span<const engine> all_engines() noexcept { return engines; }
std::span<const engine> automatic_order() noexcept { return best_first; }

std::unique_ptr<backend> make_backend(engine which, const backend_options& options, unsigned /*index*/,
                                      backend_choice& /*choice*/) {
    switch (which) {
        case engine::select:
            return std::make_unique<readiness_backend>(make_select_poller(), options.pool_buffers);
        case engine::poll:
            return std::make_unique<readiness_backend>(make_poll_poller(), options.pool_buffers);
        default:
            return std::make_unique<iocp_backend>(options.pool_buffers);
    }
}

}  // namespace naru
