#include <lab/model.hpp>

#include <naru/backend/uring/options.hpp>

#include <array>

namespace naru::lab {

std::span<const model> all_models() noexcept {
    static constexpr std::array<model, 9> models{
        model{"threads", true},
        model{"select", false, engine::select},
        model{"poll", false, engine::poll},
        model{"epoll-level", false, engine::epoll_level},
        model{"epoll", false, engine::epoll},
        model{"epoll-oneshot", false, engine::epoll_oneshot},
        model{"io_uring-single", false, engine::io_uring, false},
        model{"io_uring", false, engine::io_uring},
        model{"io_uring-sqpoll", false, engine::io_uring_sqpoll},
    };
    return models;
}

const model* model_named(std::string_view name) noexcept {
    for (const model& each : all_models()) {
        if (each.name == name) return &each;
    }
    return nullptr;
}

backend_choice make_backend(const model& which) noexcept {
    uring_options ring;
    ring.multishot_accept = ring.multishot_recv = which.multishot;
    backend_choice made = try_backend(which.engine, ring);
    if (made.chosen != which.engine) made.backend.reset();  // another model would be measured under its name
    return made;
}

}  // namespace naru::lab
