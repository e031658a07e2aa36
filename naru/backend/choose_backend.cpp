#include <naru/backend/choose_backend.hpp>

#include <naru/backend/readiness_backend.hpp>
#include <naru/backend/system_calls.hpp>
#include <naru/backend/uring_backend.hpp>

#include <array>
#include <exception>
#include <stdexcept>
#include <utility>

namespace naru {

namespace {

constexpr std::array<std::pair<engine, std::string_view>, 8> names{{
    {engine::automatic, "auto"},
    {engine::select, "select"},
    {engine::poll, "poll"},
    {engine::epoll, "epoll"},
    {engine::epoll_level, "epoll-level"},
    {engine::epoll_oneshot, "epoll-oneshot"},
    {engine::io_uring, "io_uring"},
    {engine::io_uring_sqpoll, "io_uring-sqpoll"},
}};

constexpr std::array<engine, 7> engines{engine::select,         engine::poll,          engine::epoll_level,
                                        engine::epoll,          engine::epoll_oneshot, engine::io_uring,
                                        engine::io_uring_sqpoll};

std::unique_ptr<backend> make(engine which, uring_options options, backend_choice& choice) {
    using reporting = poller::reporting;
    switch (which) {
        case engine::select:
            return std::make_unique<readiness_backend>(make_select_poller());
        case engine::poll:
            return std::make_unique<readiness_backend>(make_poll_poller());
        case engine::epoll_level:
            return std::make_unique<readiness_backend>(make_epoll_poller(reporting::level));
        case engine::epoll_oneshot:
            return std::make_unique<readiness_backend>(make_epoll_poller(reporting::one_shot));
        case engine::io_uring:
        case engine::io_uring_sqpoll: {
            options.sqpoll = which == engine::io_uring_sqpoll;
            auto made = std::make_unique<uring_backend>(options);
            choice.reason = made->given_up();
            choice.direct = made->accepts_direct();
            return made;
        }
        case engine::automatic:
        case engine::epoll:
            break;
    }
    return std::make_unique<readiness_backend>(make_epoll_poller(reporting::edge));
}

}  // namespace

std::string_view name_of(engine which) noexcept {
    for (const auto& [each, name] : names) {
        if (each == which) return name;
    }
    return "?";
}

std::optional<engine> engine_named(std::string_view name) noexcept {
    for (const auto& [each, its_name] : names) {
        if (its_name == name) return each;
    }
    return std::nullopt;
}

std::string engine_names() {
    std::string sentence;
    for (const auto& [each, name] : names) {
        if (!sentence.empty()) sentence += each == names.back().first ? " or " : ", ";
        sentence += name;
    }
    return sentence;
}

std::span<const engine> all_engines() noexcept { return engines; }

backend_choice try_backend(engine which, const uring_options& options) noexcept {
    system_calls::ignore_sigpipe();
    backend_choice choice;
    if (which == engine::automatic) {
        choice = try_backend(engine::io_uring, options);
        if (choice.backend != nullptr) {
            if (choice.reason.empty()) choice.reason = "io_uring works here";
            return choice;
        }
        const std::string why_not = std::move(choice.reason);
        choice = try_backend(engine::epoll);
        choice.reason = why_not;
        return choice;
    }
    choice.chosen = which;
    try {
        choice.backend = make(which, options, choice);
    } catch (const std::exception& refusal) {
        choice.reason = refusal.what();
    }
    if (choice.backend == nullptr && which == engine::io_uring_sqpoll) {
        const std::string why_not = std::move(choice.reason);
        choice = try_backend(engine::io_uring, options);
        if (choice.backend != nullptr) choice.reason = "without SQPOLL: " + why_not;
    }
    return choice;
}

std::unique_ptr<backend> choose_backend(engine which, const uring_options& options) {
    backend_choice choice = try_backend(which, options);
    if (choice.backend == nullptr) {
        throw std::runtime_error("the engine " + std::string(name_of(which)) +
                                 " cannot be used: " + choice.reason);
    }
    return std::move(choice.backend);
}

}  // namespace naru
