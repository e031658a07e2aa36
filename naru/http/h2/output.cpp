// What a session sends: frames one behind the other in a pool buffer, and between them, from where it lies,
// what its streams send.
#include <naru/http/h2/memory.hpp>
#include <naru/http/h2/session.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace naru::http::h2 {

namespace {

constexpr std::size_t frame_head_bytes = 9;

// Of the head that is being made: memory that is used again and again.
thread_local std::vector<nghttp2_nv> fields;

nghttp2_nv pair_of(std::string_view name, std::string_view value,
                   std::uint8_t flags = NGHTTP2_NV_FLAG_NONE) noexcept {
    const auto bytes = [](std::string_view text) {
        return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), flags};
}

// Of fields that most answers have: what nghttp2 need not copy, and put in lower case, each time. Empty:
// another one.
std::string_view usual_name(std::string_view line) noexcept {
    const auto chosen = [line](std::string_view text, std::string_view name) {
        return line.starts_with(text) ? name : std::string_view();
    };
    switch (line.front()) {
        case 'A':
            return chosen("Accept-Ranges: ", "accept-ranges");
        case 'C': {
            if (line.starts_with("Cache-Control: ")) return "cache-control";
            if (line.starts_with("Content-Length: ")) return "content-length";
            return chosen("Content-Type: ", "content-type");
        }
        case 'D':
            return chosen("Date: ", "date");
        case 'E':
            return chosen("ETag: ", "etag");
        case 'L':
            return chosen("Last-Modified: ", "last-modified");
        case 'S':
            return chosen("Server: ", "server");
        case 'V':
            return chosen("Vary: ", "vary");
        default:
            return {};
    }
}

// What HTTP/1 says about its connection (RFC 9113, section 8.2.2).
bool is_of_the_connection(std::string_view name) noexcept {
    return name == "Connection" || name == "Transfer-Encoding" || name == "Keep-Alive" || name == "Upgrade";
}

ssize_t read_data(nghttp2_session* of, std::int32_t id, std::uint8_t*, std::size_t length,
                  std::uint32_t* flags, nghttp2_data_source*, void* owner) {
    auto* const from = static_cast<stream*>(nghttp2_session_get_stream_user_data(of, id));
    if (from == nullptr || from->is_abandoned()) return NGHTTP2_ERR_DEFERRED;
    return static_cast<session*>(owner)->offer_data(*from, length, *flags);
}

}  // namespace

// ---------------------------------------------------------------------------------------- heads

// A head, up to its empty line, or as many lines as there are; says how much of the text that was.
std::size_t session::put_fields(unsigned status, std::string_view text) {
    fields.clear();
    std::string_view lines = text;
    if (status != 0) {
        status_text_ = {static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
                        static_cast<char>('0' + status % 10)};
        fields.push_back(
            pair_of(":status", {status_text_.data(), status_text_.size()}, NGHTTP2_NV_FLAG_NO_COPY_NAME));
        lines.remove_prefix(std::min(lines.find('\r') + 2, lines.size()));  // behind the status line
    }
    while (!lines.empty()) {
        const std::size_t end = lines.find('\r');
        if (end == std::string_view::npos) break;
        std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 2, lines.size()));
        if (line.empty()) break;
        std::string_view name = usual_name(line);
        const std::uint8_t flags = name.empty() ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_COPY_NAME;
        if (name.empty()) {
            name = line.substr(0, line.find(':'));
            if (name.size() == line.size()) continue;
        }
        line.remove_prefix(name.size() + 1);
        while (!line.empty() && (line.front() == ' ' || line.front() == '\t'))
            line.remove_prefix(1);
        while (!line.empty() && (line.back() == ' ' || line.back() == '\t'))
            line.remove_suffix(1);
        if (flags != NGHTTP2_NV_FLAG_NONE || !is_of_the_connection(name))
            fields.push_back(pair_of(name, line, flags));
    }
    return text.size() - lines.size();
}

void session::submit_head(stream& of, bool has_body) {
    nghttp2_data_provider provider{};
    provider.read_callback = read_data;
    const int outcome =
        nghttp2_submit_response(http2_, of.id_, fields.data(), fields.size(), has_body ? &provider : nullptr);
    if (outcome == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
}

void session::submit_interim(stream& of) {
    const int outcome = nghttp2_submit_headers(http2_, NGHTTP2_FLAG_NONE, of.id_, nullptr, fields.data(),
                                               fields.size(), nullptr);
    if (outcome == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
}

void session::resume(stream& of) noexcept { (void)nghttp2_session_resume_data(http2_, of.id_); }

void session::reset(stream& of, std::uint32_t code) noexcept {
    (void)nghttp2_submit_rst_stream(http2_, NGHTTP2_FLAG_NONE, of.id_, code);
    send_soon();
}

// ---------------------------------------------------------------------------------------- data

// How much of what waits goes into the next frame: of one piece, and of a file what there is room for.
std::int64_t session::offer_data(stream& from, std::size_t most, std::uint32_t& flags) noexcept try {
    std::uint64_t size = std::min<std::uint64_t>(most, from.waiting_);
    if (from.waiting_ > 0) {
        const body_piece next = from.front();
        size = std::min(size, next.size);
        if (next.memory == nullptr) {
            const std::size_t room =
                output_ == nullptr ? limits::output_bytes : limits::output_bytes - filled_;
            const std::size_t whole = limits::output_bytes - frame_head_bytes;
            size = std::min<std::uint64_t>(
                size, room > limits::copied_body_bytes ? room - frame_head_bytes : whole);
        }
        flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    }
    if (size < from.waiting_) return static_cast<std::int64_t>(size);
    if (!from.is_last_)
        return size > 0 ? static_cast<std::int64_t>(size) : std::int64_t{NGHTTP2_ERR_DEFERRED};
    flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!from.trailers_.empty()) {
        (void)put_fields(0, from.trailers_);
        if (nghttp2_submit_trailer(http2_, from.id_, fields.data(), fields.size()) == 0)
            flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return static_cast<std::int64_t>(size);
} catch (const std::bad_alloc&) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

// One frame of DATA: little is copied behind its head, more is sent from where it lies.
int session::send_data(stream& of, std::size_t size, const frame_head& head) noexcept {
    const body_piece next = of.front();
    const bool copies = next.memory == nullptr || size <= limits::copied_body_bytes;
    if (slice_count_ + 2 + limits::h2_output_buffers > limits::h2_slices ||
        !has_room(frame_head_bytes + (copies ? size : 0)))
        return NGHTTP2_ERR_WOULDBLOCK;
    const std::uint32_t before = filled_;
    put(head.data(), head.size());
    if (next.memory == nullptr) {
        file_system& disk = worker_.loop_.backend().files_of(next.file);
        std::size_t got = 0;
        while (got < size) {
            const std::int64_t more = disk.read_file(
                next.file.get(),
                mutable_bytes(reinterpret_cast<std::byte*>(output_) + filled_ + got, size - got),
                next.offset + got, file_system::blocking::yes);
            if (more <= 0) break;
            got += static_cast<std::size_t>(more);
        }
        if (got < size) {  // it has got shorter: the promised length cannot be kept
            filled_ = before;
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        filled_ += static_cast<std::uint32_t>(size);
    } else if (copies) {
        put(next.memory, size);
    } else {
        close_run();
        parts_->slices[slice_count_++] = slice(std::string_view(next.memory, size));
    }
    of.take(size, !copies);
    budgets_.window_updates.earn(2);
    return 0;
}

// ---------------------------------------------------------------------------------------- bytes

bool session::has_room(std::size_t bytes) noexcept {
    if (output_ != nullptr) return filled_ + bytes <= limits::output_bytes || add_buffer();
    try {
        if (parts_ == nullptr) parts_ = &worker_.outputs_.make();
    } catch (const std::bad_alloc&) {
        link_.close();
        return false;
    }
    output_ = worker_.loop_.buffers().acquire();
    filled_ = run_ = 0;
    if (output_ == nullptr) {
        release_output();
        wait_for_buffer();
        return false;
    }
    worker_.holds_one_more();
    return true;
}

// For whom there is much to send: one send for several buffers.
bool session::add_buffer() noexcept {
    buffer_pool& pool = worker_.loop_.buffers();
    const bool many_are_out = pool.leased() * limits::h2_output_share >= pool.capacity();
    if (parts_->full_count == parts_->full.size() || many_are_out || worker_.is_short()) return false;
    std::byte* const fresh = pool.acquire();
    if (fresh == nullptr) return false;
    close_run();
    parts_->full[parts_->full_count++] = std::exchange(output_, fresh);
    filled_ = run_ = 0;
    worker_.holds_one_more();
    return true;
}

/// All buffers but, if `keeps_one`, the one that is filled.
void session::release_output(bool keeps_one) noexcept {
    if (parts_ == nullptr) return;
    const auto give_back = [this](std::byte* each) {
        worker_.loop_.buffers().release(each);
        --worker_.held_;
    };
    while (parts_->full_count > 0)
        give_back(parts_->full[--parts_->full_count]);
    if (keeps_one) return;
    if (output_ != nullptr) give_back(std::exchange(output_, nullptr));
    worker_.outputs_.destroy(*std::exchange(parts_, nullptr));
}

void session::put(const void* bytes, std::size_t size) noexcept {
    std::memcpy(output_ + filled_, bytes, size);
    filled_ += static_cast<std::uint32_t>(size);
}

void session::close_run() noexcept {
    if (run_ == filled_) return;
    parts_->slices[slice_count_++] = slice(output_ + run_, filled_ - run_);
    run_ = filled_;
}

// Takes frames from nghttp2 until it has none, or there is no room.
void session::gather() noexcept try {
    if (!unsent_.empty()) {
        unsent_.erase(0, put_some(unsent_));
        if (!unsent_.empty()) return;
        std::string().swap(unsent_);
    }
    const session_memory::use one_frame(*worker_.session_memory_);
    while (true) {
        const std::uint8_t* bytes = nullptr;
        const ssize_t size = nghttp2_session_mem_send(http2_, &bytes);
        if (size < 0) return link_.close();
        if (size == 0) return;
        const std::string_view frame(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
        const std::size_t taken = put_some(frame);
        if (taken == frame.size()) continue;
        unsent_ = frame.substr(taken);  // what it lies in is the next session's
        return;
    }
} catch (const std::bad_alloc&) {
    return link_.close();
}

std::size_t session::put_some(std::string_view text) noexcept {
    std::size_t taken = 0;
    while (taken < text.size() && slice_count_ + 1 < limits::h2_slices && has_room(1)) {
        const std::size_t step = std::min(text.size() - taken, limits::output_bytes - filled_);
        put(text.data() + taken, step);
        taken += step;
    }
    return taken;
}

// Grows with whatever is gathered.
std::size_t session::gathered() const noexcept {
    return filled_ + slice_count_ + (parts_ != nullptr ? parts_->full_count * limits::output_bytes : 0);
}

// Sends what there is. Those whose bytes have been copied go on meanwhile, as long as there is room for more.
void session::pump() noexcept {
    while (!is_dead_ && !is_sending_) {
        const std::size_t before = gathered();
        gather();
        if (is_dead_) return;
        const bool had_room = gathered() != before && unsent_.empty();
        const bool had_ready = !ready_.empty();
        attend_all();
        if (is_dead_) return;
        if (had_room && had_ready) continue;
        close_run();
        if (slice_count_ > 0) {
            submit();
        } else {
            release_output();
            if (ready_.empty()) break;
        }
    }
    if (!is_dead_) finish_if_done();
}

void session::submit() noexcept {
    is_sending_ = true;
    moved_ = worker_.loop_.now();
    moved_to_ = 0;
    parts_->bytes = total_size({parts_->slices.data(), slice_count_});
    sending_.set(link_.target, parts_->slices.data(), slice_count_);
    link_.set_deadline(worker_.options_.timeouts.write);
    worker_.loop_.submit(sending_);
}

void session::on_sent() noexcept {
    const at_work working(*this);
    is_sending_ = false;
    ++flight_;
    worker_.counts_.bytes_out += sending_.progress;
    filled_ = run_ = slice_count_ = 0;
    release_output(true);
    while (list_node* const next = lent_.pop_front())
        static_cast<stream::place*>(next)->owner.returned();
    if (is_dead_) return release_output();
    if (sending_.failed()) return link_.close();
    attend_all();
    pump();
}

// When nghttp2 has nothing more to say or to hear, our direction ends.
void session::finish_if_done() noexcept {
    note_deadline();
    if (is_sending_ || nghttp2_session_want_read(http2_) != 0 || nghttp2_session_want_write(http2_) != 0)
        return;
    linger();
}

}  // namespace naru::http::h2
