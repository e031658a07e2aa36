#include <naru/backend/choose_backend.hpp>

#include <naru/backend/make_backend.hpp>
#include <naru/loop/environment.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <stdexcept>
#include <utility>

namespace naru {

namespace {

constexpr std::array<std::pair<engine, std::string_view>, 9> names{{
    {engine::automatic, "auto"},
    {engine::select, "select"},
    {engine::poll, "poll"},
    {engine::epoll, "epoll"},
    {engine::epoll_level, "epoll-level"},
    {engine::epoll_oneshot, "epoll-oneshot"},
    {engine::io_uring, "io_uring"},
    {engine::io_uring_sqpoll, "io_uring-sqpoll"},
    {engine::iocp, "iocp"},
}};

bool is_offered(engine which) noexcept {
    const auto offered = all_engines();
    return which == engine::automatic || std::find(offered.begin(), offered.end(), which) != offered.end();
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
    std::string_view last;
    for (const auto& [each, name] : names) {
        if (!is_offered(each)) continue;
        if (!last.empty()) sentence.append(sentence.empty() ? "" : ", ").append(last);
        last = name;
    }
    return sentence.append(" or ").append(last);
}

namespace {

backend_choice try_one(engine which, const uring_options& options) {
    backend_choice choice;
    if (environment* const world = environment::other_than_the_systems()) {
        choice.chosen = which;
        choice.backend = world->make_backend(options.pool_buffers);
        choice.reason = "this thread is in a world with backends of its own";
        if (choice.backend != nullptr) return choice;
    }
    if (which == engine::automatic) {
        std::string why_not;  // of the better ones
        for (const engine each : automatic_order()) {
            choice = try_one(each, options);
            if (choice.backend == nullptr) {
                why_not = std::move(choice.reason);
                continue;
            }
            if (!why_not.empty()) choice.reason = std::move(why_not);
            if (choice.reason.empty()) choice.reason = std::string(name_of(each)) + " works here";
            return choice;
        }
        choice.reason = std::move(why_not);
        return choice;
    }
    choice.chosen = which;
    if (!is_offered(which)) {
        choice.reason = "it is not an engine of this system";
        return choice;
    }
    try {
        choice.backend = make_backend(which, options, choice);
    } catch (const std::exception& refusal) {
        choice.reason = refusal.what();
    }
    if (choice.backend == nullptr && which == engine::io_uring_sqpoll) {
        const std::string why_not = std::move(choice.reason);
        choice = try_one(engine::io_uring, options);
        if (choice.backend != nullptr) choice.reason = "without SQPOLL: " + why_not;
    }
    return choice;
}

}  // namespace

backend_choice try_backend(engine which, const uring_options& options) noexcept {
    system_calls::ignore_sigpipe();
    try {
        return try_one(which, options);
    } catch (const std::bad_alloc&) {  // for the text of a reason
        backend_choice none;
        none.chosen = which;
        none.reason = "out of memory";  // short enough for a string without any
        return none;
    }
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
