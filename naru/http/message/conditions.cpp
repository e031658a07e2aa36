#include <naru/http/message/conditions.hpp>

#include <naru/http/h1/parse.hpp>
#include <naru/http/message/date.hpp>

#include <algorithm>
#include <limits>
#include <optional>

namespace naru::http {

namespace {

// An entity-tag list. Commas may stand inside the quotes, so it is walked tag by tag.
bool lists_tag(std::string_view list, std::string_view etag, bool weak_comparison) noexcept {
    while (!list.empty()) {
        const char first = list.front();
        if (first == ' ' || first == '\t' || first == ',') {
            list.remove_prefix(1);
            continue;
        }
        const bool weak = list.starts_with("W/");
        if (weak) list.remove_prefix(2);
        if (list.empty() || list.front() != '"') return false;
        const std::size_t close = list.find('"', 1);
        if (close == std::string_view::npos) return false;
        if (list.substr(0, close + 1) == etag && (!weak || weak_comparison)) return true;
        list.remove_prefix(close + 1);
    }
    return false;
}

// Whether `wanted` holds for a line of a field that is a list: in several lines it is one list (RFC 9110,
// section 5.3). One line, as nearly always, has been found by the parser.
template <typename Wanted>
bool any_line(const request_head& request, std::string_view head, field which, std::string_view name,
              Wanted wanted) {
    if ((request.repeated & request_head::bit(which)) == 0) return wanted(request.value(which, head));
    std::size_t from = 0;
    while (const auto line = next_field(head, name, from)) {
        if (wanted(*line)) return true;
    }
    return false;
}

// Past what 64 bits hold it is the largest that they do: no file has so many bytes.
std::optional<std::uint64_t> number(std::string_view digits) noexcept {
    if (digits.empty()) return std::nullopt;
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t value = 0;
    for (const char byte : digits) {
        if (byte < '0' || byte > '9') return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(byte - '0');
        value = value > (most - digit) / 10 ? most : value * 10 + digit;
    }
    return value;
}

// A range that is not valid makes the whole field invalid (nullopt); one that cannot be satisfied is left
// out.
enum class range_form : std::uint8_t { invalid, unsatisfiable, good };

range_form read_range(std::string_view text, std::uint64_t size, byte_range& out) noexcept {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return range_form::invalid;
    const std::string_view first = text.substr(0, dash);
    const std::string_view last = text.substr(dash + 1);
    if (first.empty()) {  // the last n bytes
        const auto count = number(last);
        if (!count) return range_form::invalid;
        if (*count == 0 || size == 0) return range_form::unsatisfiable;
        out.first = size - std::min(*count, size);
        out.last = size - 1;
        return range_form::good;
    }
    const auto from = number(first);
    if (!from) return range_form::invalid;
    if (last.empty()) {
        out.last = size - 1;
    } else {
        const auto to = number(last);
        if (!to || *to < *from) return range_form::invalid;
        out.last = std::min(*to, size == 0 ? 0 : size - 1);
    }
    if (*from >= size) return range_form::unsatisfiable;
    out.first = *from;
    return range_form::good;
}

bool if_range_holds(std::string_view value, const validators& of, std::int64_t now) noexcept {
    if (value.starts_with('"')) return value == of.etag;  // strong comparison: a weak tag never matches
    const auto date = parse_date(value, now);
    // A date is a strong validator only if it is the exact one, and not of the last second (section 8.8.2.2).
    return date && of.last_modified && *date == *of.last_modified && *date < now - 1;
}

// "q=0.5": thousandths; 1000 if there is none; nothing if it is malformed.
std::optional<int> quality_of(std::string_view parameters) noexcept {
    int quality = 1000;
    while (!parameters.empty()) {
        const std::size_t semicolon = parameters.find(';');
        std::string_view parameter = parameters.substr(0, semicolon);
        parameters =
            semicolon == std::string_view::npos ? std::string_view() : parameters.substr(semicolon + 1);
        while (!parameter.empty() && (parameter.front() == ' ' || parameter.front() == '\t'))
            parameter.remove_prefix(1);
        while (!parameter.empty() && (parameter.back() == ' ' || parameter.back() == '\t'))
            parameter.remove_suffix(1);
        if (parameter.size() < 3 || (parameter[0] | 0x20) != 'q' || parameter[1] != '=') continue;
        const std::string_view value = parameter.substr(2);
        if (value.size() > 5 || (value[0] != '0' && value[0] != '1') ||
            (value.size() > 1 && value[1] != '.')) {
            return std::nullopt;
        }
        quality = (value[0] - '0') * 1000;
        int weight = 100;
        for (std::size_t index = 2; index < value.size(); ++index, weight /= 10) {
            if (value[index] < '0' || value[index] > '9') return std::nullopt;
            quality += (value[index] - '0') * weight;
        }
        if (quality > 1000) return std::nullopt;
    }
    return quality;
}

constexpr std::string_view coding_names[coding_count] = {"zstd", "br", "gzip", "identity"};

}  // namespace

precondition evaluate(const request_head& request, std::string_view head, const validators& of,
                      std::int64_t now) {
    if (request.has(field::if_match)) {
        const auto names_it = [&of](std::string_view line) {
            return line == "*" || lists_tag(line, of.etag, false);
        };
        if (!any_line(request, head, field::if_match, "if-match", names_it)) return precondition::failed;
    } else if (request.has(field::if_unmodified_since) && of.last_modified) {
        const auto date = parse_date(request.value(field::if_unmodified_since, head), now);
        if (date && *of.last_modified > *date) return precondition::failed;
    }
    if (request.has(field::if_none_match)) {
        const auto names_it = [&of](std::string_view line) {
            return line == "*" || lists_tag(line, of.etag, true);
        };
        if (any_line(request, head, field::if_none_match, "if-none-match", names_it))
            return precondition::not_modified;
    } else if (request.has(field::if_modified_since) && of.last_modified) {
        const auto date = parse_date(request.value(field::if_modified_since, head), now);
        if (date && *of.last_modified <= *date) return precondition::not_modified;
    }
    return precondition::met;
}

range_outcome select_ranges(const request_head& request, std::string_view head, const validators& of,
                            std::uint64_t size, std::int64_t now, range_list& out) {
    if (request.method != method::get || !request.has(field::range)) return range_outcome::whole;
    if ((request.repeated & request_head::bit(field::range)) != 0) return range_outcome::whole;
    if (request.has(field::if_range) && !if_range_holds(request.value(field::if_range, head), of, now)) {
        return range_outcome::whole;
    }
    const std::string_view value = request.value(field::range, head);
    if (value.size() < 6 || !equals_lower(value.substr(0, 6), "bytes=")) return range_outcome::whole;
    bool valid = true;
    unsigned asked = 0;
    for_each_element(value.substr(6), [&](std::string_view text) {
        byte_range range;
        const range_form form = read_range(text, size, range);
        valid = form != range_form::invalid && ++asked <= limits::ranges;
        if (valid && form == range_form::good) out.ranges[out.count++] = range;
        return valid;
    });
    if (!valid || asked == 0) return range_outcome::whole;
    if (out.count == 0) return range_outcome::unsatisfiable;
    // Many small or overlapping ranges cost more than the whole, which we may send instead (section 14.2).
    std::uint64_t bytes = 0;
    for (const byte_range& each : out.view())
        bytes += each.size();
    return out.count > 1 && bytes >= size ? range_outcome::whole : range_outcome::partial;
}

coding choose_coding(const request_head& request, std::string_view head,
                     const std::array<bool, coding_count>& available) noexcept {
    std::array<int, coding_count> quality{};
    std::array<bool, coding_count> named{};
    int any = -1;
    const auto weigh = [&](std::string_view element) {
        const std::size_t semicolon = element.find(';');
        std::string_view name = element.substr(0, semicolon);
        while (!name.empty() && (name.back() == ' ' || name.back() == '\t'))
            name.remove_suffix(1);
        const auto weight = quality_of(semicolon == std::string_view::npos ? std::string_view()
                                                                           : element.substr(semicolon + 1));
        if (!weight) return true;
        if (name == "*") any = *weight;
        if (equals_lower(name, "x-gzip")) name = "gzip";
        for (std::size_t index = 0; index < coding_count; ++index) {
            if (!equals_lower(name, coding_names[index])) continue;
            quality[index] = *weight;
            named[index] = true;
        }
        return true;
    };
    any_line(request, head, field::accept_encoding, "accept-encoding", [&](std::string_view line) {
        for_each_element(line, weigh);
        return false;  // all of them
    });
    constexpr auto identity = static_cast<std::size_t>(coding::identity);
    for (std::size_t index = 0; index < coding_count; ++index) {
        if (named[index]) continue;
        // Identity is acceptable unless refused, but any coding that was asked for goes before it.
        quality[index] = any >= 0 ? any : index == identity ? 1 : 0;
    }
    std::size_t best = identity;
    for (std::size_t index = 0; index < identity; ++index) {
        if (!available[index] || quality[index] == 0) continue;
        if (best == identity ? quality[index] >= quality[identity] : quality[index] > quality[best])
            best = index;
    }
    return static_cast<coding>(best);
}

}  // namespace naru::http
