#include <naru/http/server/loop_log.hpp>

#include <naru/http/limits.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace naru::http {

log_place::log_place(loop_log& of, std::shared_ptr<access_log> log, log_format format) noexcept
    : timer([](timer& expired) noexcept { loop_log::hand_over(static_cast<log_place&>(expired)); }),
      owner(of),
      to(std::move(log)),
      as(format) {}

loop_log::loop_log(loop& on, access_log* to, log_format as) noexcept
    : loop_(on),
      own_(*this, std::shared_ptr<access_log>(std::shared_ptr<access_log>(), to), as),
      is_on_(to != nullptr) {}

loop_log::~loop_log() {
    hand_over();
    loop_.disarm(own_);
    for (log_place& each : of_hosts_)
        loop_.disarm(each);
}

log_place& loop_log::enter(const std::shared_ptr<access_log>& to, log_format as) {
    const auto found = std::ranges::find_if(
        of_hosts_, [&](const log_place& each) { return each.to == to && each.as == as; });
    log_place* const there = own_.to == to && own_.as == as ? &own_
                             : found != of_hosts_.end()     ? &*found
                                                            : &of_hosts_.emplace_back(*this, to, as);
    ++there->uses;
    is_on_ = true;
    return *there;
}

void loop_log::remove(log_place& of) noexcept {
    if (&of == &own_) return;
    hand_over(of);
    loop_.disarm(of);
    std::erase_if(of_hosts_, [&of](const log_place& each) { return &each == &of; });
    is_on_ = own_.to != nullptr || !of_hosts_.empty();
}

void loop_log::name_client(handle connection, std::string_view client) noexcept try {
    auto& names = clients_[loop::names_layer(connection) ? 1 : 0];
    const std::size_t slot = loop::place_of(connection);
    if (names.size() <= slot) names.resize(std::max<std::size_t>(slot + 1, 2 * names.size()));
    client_name& name = names[slot];
    name.generation = connection.generation;
    name.size = static_cast<std::uint8_t>(std::min(client.size(), name.text.size()));
    std::memcpy(name.text.data(), client.data(), name.size);
} catch (const std::bad_alloc&) {  // the lines say "-"
}

std::string_view loop_log::client_of(handle connection) const noexcept {
    const auto& names = clients_[loop::names_layer(connection) ? 1 : 0];
    const std::size_t slot = loop::place_of(connection);
    if (slot >= names.size() || names[slot].generation != connection.generation) return {};
    return {names[slot].text.data(), names[slot].size};
}

bool loop_log::knows(handle connection) const noexcept {
    const auto& names = clients_[loop::names_layer(connection) ? 1 : 0];
    const std::size_t slot = loop::place_of(connection);
    return slot < names.size() && names[slot].generation == connection.generation;
}

void loop_log::begin(log_place& there, const access_entry& entry, answer_record& into) noexcept {
    into.log = &there;
    ++there.uses;
    try {
        line_.begin(there.as, entry, into.line, into.split);
    } catch (const std::bad_alloc&) {
        into.line.clear();
    }
}

void loop_log::end(const access_entry& entry, answer_record& begun) noexcept {
    log_place& there = *std::exchange(begun.log, nullptr);
    put(there, entry, begun);
    leave(there);
}

void loop_log::put(log_place& there, const access_entry& entry, const answer_record& begun) noexcept try {
    if (begun.line.empty()) return there.to->lose();
    const std::size_t most = access_line::room_for_end(entry, begun.line);
    if (there.used + most > limits::loop_log_bytes) hand_over(there);
    if (most > limits::loop_log_bytes) {
        const auto alone = std::make_unique_for_overwrite<char[]>(most);
        const char* const end = access_line::end(alone.get(), there.as, entry, begun.line, begun.split);
        return there.to->append({alone.get(), static_cast<std::size_t>(end - alone.get())});
    }
    if (there.lines == nullptr) there.lines = std::make_unique_for_overwrite<char[]>(limits::loop_log_bytes);
    const char* const end =
        access_line::end(there.lines.get() + there.used, there.as, entry, begun.line, begun.split);
    there.used = static_cast<std::size_t>(end - there.lines.get());
    if (!there.armed()) loop_.arm(there, saturating_add(loop_.now(), limits::log_hand_over_time));
} catch (const std::bad_alloc&) {
    there.to->lose();
}

void loop_log::hand_over() noexcept {
    hand_over(own_);
    for (log_place& each : of_hosts_)
        hand_over(each);
}

void loop_log::hand_over(log_place& of) noexcept {
    if (of.used == 0) return;
    of.to->append({of.lines.get(), of.used});
    of.used = 0;
}

}  // namespace naru::http
