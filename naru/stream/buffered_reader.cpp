#include <naru/stream/buffered_reader.hpp>

#include <algorithm>
#include <cerrno>
#include <new>

namespace naru::detail {

result<bytes_view> reader_state::take(std::size_t count, std::size_t behind) noexcept {
    const bytes_view taken = unread_.first(count);
    consume(count + behind);
    return taken;
}

std::size_t reader_state::consume(std::size_t count) noexcept {
    const std::size_t gone = std::min(count, unread_.size());
    unread_ = unread_.subspan(gone);
    scanned_ = 0;
    return gone;
}

std::optional<result<bytes_view>> reader_state::find(std::string_view delimiter) noexcept {
    if (delimiter.empty()) return fail_errno(EINVAL);
    const std::size_t found = as_text(unread_).find(delimiter, scanned_);
    if (found != std::string_view::npos) {
        if (found > limit_) return fail(errc::read_limit);
        return take(found, delimiter.size());
    }
    // It may have begun in the last bytes.
    if (unread_.size() >= delimiter.size()) scanned_ = unread_.size() - delimiter.size() + 1;
    if (scanned_ > limit_) return fail(errc::read_limit);
    return std::nullopt;
}

std::optional<result<bytes_view>> reader_state::look(const wanted_bytes& wanted) noexcept {
    switch (wanted.what) {
        case wanted_bytes::kind::until:
            return find(wanted.delimiter);
        case wanted_bytes::kind::line: {
            auto found = find("\n");
            if (found && *found && !(*found)->empty() && (*found)->back() == std::byte{'\r'})
                *found = (*found)->first((*found)->size() - 1);
            return found;
        }
        case wanted_bytes::kind::exactly:
            if (wanted.count > limit_) return fail(errc::read_limit);
            if (unread_.size() < wanted.count) return std::nullopt;
            return take(wanted.count, 0);
        case wanted_bytes::kind::peek:
            if (wanted.count > limit_) return fail(errc::read_limit);
            if (unread_.size() < wanted.count) return std::nullopt;
            return unread_;
        case wanted_bytes::kind::some:
            break;
    }
    if (unread_.empty()) return std::nullopt;
    return take(std::min(unread_.size(), std::max<std::size_t>(limit_, 1)), 0);
}

bool reader_state::make_way() noexcept try {
    if (unread_.empty()) {
        gathered_ = {};
        unread_ = {};
        scanned_ = 0;
    } else if (lease_.size() > 0) {
        gathered_.assign(unread_.begin(), unread_.end());
        unread_ = gathered_;
    }
    lease_.reset();
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

bool reader_state::add(lease&& received) noexcept try {
    if (unread_.empty()) {
        lease_ = std::move(received);
        unread_ = lease_.bytes();
        return true;
    }
    const lease each = std::move(received);
    const auto consumed = unread_.data() - gathered_.data();
    gathered_.erase(gathered_.begin(), gathered_.begin() + consumed);
    unread_ = gathered_;
    gathered_.insert(gathered_.end(), each.bytes().begin(), each.bytes().end());
    unread_ = gathered_;
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

}  // namespace naru::detail
