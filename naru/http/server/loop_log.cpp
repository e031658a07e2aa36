#include <naru/http/server/loop_log.hpp>

#include <naru/http/limits.hpp>

#include <algorithm>
#include <cstring>
#include <new>

namespace naru::http {

loop_log::hand_over_timer::hand_over_timer(loop_log& of) noexcept
    : timer([](timer& expired) noexcept { static_cast<hand_over_timer&>(expired).owner.hand_over(); }),
      owner(of) {}

loop_log::loop_log(loop& on, access_log* to, log_format as) noexcept : loop_(on), to_(to), as_(as) {}

loop_log::~loop_log() {
    hand_over();
    loop_.disarm(due_);
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

void loop_log::begin(const access_entry& entry, answer_record& into) noexcept try {
    line_.begin(as_, entry, into.line, into.split);
} catch (const std::bad_alloc&) {
    into.line.clear();
}

void loop_log::end(const access_entry& entry, const answer_record& begun) noexcept try {
    if (begun.line.empty()) return to_->lose();
    const std::size_t most = access_line::room_for_end(entry, begun.line);
    if (used_ + most > limits::loop_log_bytes) hand_over();
    if (most > limits::loop_log_bytes) {
        const auto alone = std::make_unique_for_overwrite<char[]>(most);
        const char* const end = access_line::end(alone.get(), as_, entry, begun.line, begun.split);
        return to_->append({alone.get(), static_cast<std::size_t>(end - alone.get())});
    }
    if (lines_ == nullptr) lines_ = std::make_unique_for_overwrite<char[]>(limits::loop_log_bytes);
    const char* const end = access_line::end(lines_.get() + used_, as_, entry, begun.line, begun.split);
    used_ = static_cast<std::size_t>(end - lines_.get());
    if (!due_.armed()) loop_.arm(due_, saturating_add(loop_.now(), limits::log_hand_over_time));
} catch (const std::bad_alloc&) {
    to_->lose();
}

void loop_log::hand_over() noexcept {
    if (used_ == 0) return;
    to_->append({lines_.get(), used_});
    used_ = 0;
}

}  // namespace naru::http
