#include <naru/backend/make_backend.hpp>

#include <naru/backend/readiness/backend.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/backend/uring/trial.hpp>

#include <array>
#include <stdexcept>
#include <string>
#include <utility>

namespace naru {

namespace {

constexpr std::array engines{engine::select,        engine::poll,     engine::epoll_level,    engine::epoll,
                             engine::epoll_oneshot, engine::io_uring, engine::io_uring_sqpoll};
constexpr std::array best_first{engine::io_uring, engine::epoll};

uring_options ring_for(engine which, const backend_options& options, unsigned index) {
    const auto* const of_its_own = dynamic_cast<const uring_options*>(&options);
    uring_options ring = of_its_own != nullptr ? *of_its_own : uring_options(options);
    ring.sqpoll = which == engine::io_uring_sqpoll;
    if (ring.sqpoll_cpu >= 0)
        ring.sqpoll_cpu += static_cast<int>(index);  // the next loop's, on the next core
    return ring;
}

}  // namespace

std::span<const engine> all_engines() noexcept { return engines; }
std::span<const engine> automatic_order() noexcept { return best_first; }

std::unique_ptr<backend> make_backend(engine which, const backend_options& options, unsigned index,
                                      backend_choice& choice) {
    using reporting = poller::reporting;
    const auto readiness = [&options](std::unique_ptr<poller> reports) {
        return std::make_unique<readiness_backend>(std::move(reports), options.pool_buffers);
    };
    switch (which) {
        case engine::select:
            return readiness(make_select_poller());
        case engine::poll:
            return readiness(make_poll_poller());
        case engine::epoll_level:
            return readiness(make_epoll_poller(reporting::level));
        case engine::epoll_oneshot:
            return readiness(make_epoll_poller(reporting::one_shot));
        case engine::io_uring:
        case engine::io_uring_sqpoll: {
            const uring_options ring = ring_for(which, options, index);
            auto made = std::make_unique<uring_backend>(ring);
            if (const std::string problem = try_uring(ring); !problem.empty())
                throw std::runtime_error(problem);
            choice.reason = made->given_up();
            choice.direct = made->accepts_direct();
            return made;
        }
        case engine::automatic:
        case engine::epoll:
        case engine::iocp:
            break;
    }
    return readiness(make_epoll_poller(reporting::edge));
}

}  // namespace naru
