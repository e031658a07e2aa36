#include <naru/loop/engine.hpp>

#include <array>
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

}  // namespace naru
