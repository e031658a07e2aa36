// Values of TOML as settings, and tables from their keys to where these go.
#pragma once

#include "complaints.hpp"
#include "nearest_name.hpp"
#include "site_settings.hpp"
#include "toml.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

namespace naru::program {

template <class T>
constexpr std::string_view kind_of() {
    if constexpr (std::is_same_v<T, bool>) return "true or false";
    if constexpr (std::is_same_v<T, std::string>) return "text in quotes";
    if constexpr (std::is_same_v<T, named_texts>) return "a table of texts: { NAME = \"text\" }";
    if constexpr (std::is_same_v<T, std::vector<std::string>>)
        return "text in quotes, or several in brackets";
    return "a number";
}

/// Nothing if it is of another kind. toml++ would also take 1 for true, and true for 1.
template <class T>
std::optional<T> read_value(const toml::node& node) {
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        if (const auto one = read_value<std::string>(node)) return T{*one};
        if (!node.is_array() || node.as_array()->empty()) return std::nullopt;
        T all;
        for (const toml::node& each : *node.as_array()) {
            const auto one = read_value<std::string>(each);
            if (!one) return std::nullopt;
            all.push_back(*one);
        }
        return all;
    } else if constexpr (std::is_same_v<T, named_texts>) {
        if (!node.is_table()) return std::nullopt;
        T all;
        for (const auto& [key, value] : *node.as_table()) {
            const auto text = read_value<std::string>(value);
            if (!text) return std::nullopt;
            all.emplace_back(std::string(key.str()), *text);
        }
        return all;
    } else {
        constexpr bool whole = std::is_integral_v<T> && !std::is_same_v<T, bool>;
        using read_type = std::conditional_t<whole, std::int64_t, T>;
        const auto value = node.value<read_type>();
        if (!value || node.is_string() != std::is_same_v<T, std::string> ||
            node.is_boolean() != std::is_same_v<T, bool>)
            return std::nullopt;
        if constexpr (std::is_same_v<T, std::string>) {
            if (value->contains('\0')) return std::nullopt;  // which would end it for the system
        }
        if constexpr (whole) {
            if (*value < 0 || *value > 0x7fffffff) return std::nullopt;
        }
        return static_cast<T>(*value);
    }
}

enum class key_outcome : std::uint8_t { unknown, good, wrong };

/// A key of a table of std::pair{key, member} into `settings`. `wants`: of a wrong one, what it would be.
template <class Settings, class... Entries>
key_outcome read_key(Settings& settings, const std::tuple<Entries...>& table, std::string_view key,
                     const toml::node& value, std::string_view& wants) {
    key_outcome outcome = key_outcome::unknown;
    const auto look = [&](const auto& entry) {
        if (key != entry.first) return;
        auto& field = settings.*entry.second;
        using value_type = typename std::remove_reference_t<decltype(field)>::value_type;
        field = read_value<value_type>(value);
        wants = kind_of<value_type>();
        outcome = field ? key_outcome::good : key_outcome::wrong;
    };
    std::apply([&](const auto&... each) { (look(each), ...); }, table);
    return outcome;
}

template <class... Entries>
std::vector<std::string_view> names_of(const std::tuple<Entries...>& table) {
    return std::apply([](const auto&... each) { return std::vector<std::string_view>{each.first...}; },
                      table);
}

// serve_config.cpp, whose table it is
struct serve_settings;
key_outcome read_setting(serve_settings& settings, std::string_view key, const toml::node& value,
                         std::string_view& wants);
std::vector<std::string_view> setting_names();

}  // namespace naru::program
