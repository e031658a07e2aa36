// Answers of handlers, encoded on the fly (site::encode).
#include <naru/http/coding/encode_options.hpp>
#include <naru/http/coding/encoder.hpp>
#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/exchange/call.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/message/status.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>
#include <naru/os/file_system.hpp>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace naru::http {

// What the site wants encoded, if that may be done with this answer; the answer then says that it might have
// been different. Throws std::bad_alloc.
const encode_options* exchange::encoding_for(unsigned status, std::string_view type) {
    if (!link_->turn_->serves->encodes) return nullptr;
    const detail::site_data& site =
        link_->turn_->serves->site->for_host(head().value(http::field::host, head_text()));
    const encode_options* const wants = site.encoding.get();
    if (wants == nullptr || has_no_content(status) || status == 206 || !wants->encodes(type)) return nullptr;
    answer_head lines(status, fields_);
    if (lines.field("Content-Encoding") || lines.field("Content-Range") ||
        list_has(lines.field("Cache-Control").value_or(""), "no-transform"))
        return nullptr;
    const auto vary = lines.field("Vary");
    if (!list_has(vary.value_or(""), "accept-encoding") && !list_has(vary.value_or(""), "*")) {
        if (fields_.empty()) link_->worker_.take_spare(fields_);
        fields_.reserve(fields_.size() + 128);  // as much as is worth keeping for the next one
        fields_ += "Vary: Accept-Encoding\r\n";
    }
    return wants;
}

coding exchange::coding_of(const encode_options& wants) const noexcept {
    return choose_coding(head(), head_text(), wants.available());
}

// The bytes are others than those that the handler may have had in mind: its strong ETag gets weak (RFC 9110,
// section 8.8.1), and parts of them cannot be asked for.
void exchange::mark_encoded(unsigned status, coding in) {
    fields_.reserve(fields_.size() + 64);  // all of it, or nothing
    answer_head lines(status, fields_);
    lines.remove("Accept-Ranges");
    if (const auto tag = lines.field("ETag"); tag && tag->starts_with('"'))
        fields_.insert(static_cast<std::size_t>(tag->data() - fields_.data()), "W/");
    fields_.append("Content-Encoding: ").append(name_of(in)).append("\r\n");
}

// A body that is whole at once: what is to be sent in its place, which lies in the worker's room for that.
std::string_view exchange::encoded(unsigned status, std::string_view type, std::string_view body) noexcept
    try {
    if (!link_->turn_->serves->encodes) return body;
    const encode_options* const wants = encoding_for(status, type);
    if (wants == nullptr || body.size() < wants->least_bytes || body.size() > wants->most_bytes_at_once)
        return body;
    const coding in = coding_of(*wants);
    if (in == coding::identity) return body;
    worker& home = link_->worker_;
    std::string& room = home.encoded_;
    if (room.size() > limits::kept_encoded_bytes) std::string().swap(room);
    if (room.size() < body.size()) room.resize(body.size());
    encoder* const makes = home.encoders_.take(in, wants->level_of(in));
    if (makes == nullptr) return body;
    std::string_view left = body;
    std::size_t made = 0;
    const auto told = makes->encode(left, std::span(room).first(body.size() - 1), made, encoder::until::end);
    home.encoders_.give_back(*makes);
    if (told != encoder::outcome::done) return body;  // it does not get smaller
    mark_encoded(status, in);
    return std::string_view(room).substr(0, made);
} catch (const std::bad_alloc&) {
    return body;
}

// ---------------------------------------------------------------------------------------- in pieces

// Before the head is made. An answer whose length the handler has told goes as it is.
void connection::begin_encoding(exchange& x) {
    if (!turn_->serves->encodes || x.counts_) return;
    call& calls = *x.call_;
    const std::string_view type = answer_head(x.status_, x.fields_).field("Content-Type").value_or("");
    const bool is_event_stream = equals_lower(type.substr(0, type.find(';')), "text/event-stream");
    const encode_options* const wants = x.encoding_for(x.status_, type);
    if (wants == nullptr) return;
    const coding in = x.coding_of(*wants);
    if (in == coding::identity) return;
    if (x.head().method != method::head) {
        calls.encodes.makes = worker_.encoders_.take(in, wants->level_of(in));
        if (calls.encodes.makes == nullptr) return;
        calls.encodes.flushes = is_event_stream || wants->flush_each_piece;
    }
    x.mark_encoded(x.status_, in);
}

void connection::end_encoding(call& of) noexcept {
    if (encoder* const used = std::exchange(of.encodes.makes, nullptr)) worker_.encoders_.give_back(*used);
}

// From what the writer has given to what is sent next: nothing is left to encode, or there is something to
// send. An error is the writer's, and no answer can be whole behind it.
std::error_code connection::encode_next(exchange& x, write_request::awaiter& what) noexcept {
    piece_encoding& with = x.call_->encodes;
    encoder& makes = *with.makes;
    using piece = write_request::what;
    const auto failed = [&](int why) {
        with.failed = true;
        x.ended_ = false;
        return std::error_code(why, errno_category());
    };
    if (with.failed) return failed(EPIPE);
    with.filled = 0;
    while (with.filled == 0 && !with.done) {
        std::string_view input = what.kind_ == piece::file ? with.of_file : as_text(what.bytes_);
        if (what.kind_ == piece::file && input.empty() && what.size_ > 0) {
            const auto most =
                static_cast<std::size_t>(std::min<std::uint64_t>(what.size_, makes.file_block.size()));
            const std::int64_t got =
                worker_.loop_.backend()
                    .files_of(what.file_)
                    .read_file(what.file_.get(),
                               std::as_writable_bytes(std::span(makes.file_block).first(most)), what.offset_,
                               file_system::blocking::yes);
            if (got <= 0) return failed(got == 0 ? EIO : outcome::to_error(got).value());
            input = std::string_view(makes.file_block.data(), static_cast<std::size_t>(got));
            what.offset_ += input.size();
            what.size_ -= input.size();
        }
        const bool is_rest = what.kind_ != piece::file || what.size_ == 0;
        const auto how = what.kind_ == piece::end                      ? encoder::until::end
                         : is_rest && (with.flushes || with.flush_now) ? encoder::until::flush
                                                                       : encoder::until::more;
        const auto told = makes.encode(input, makes.made_block, with.filled, how);
        if (told == encoder::outcome::failed) return failed(ENOMEM);
        with.done = told == encoder::outcome::done && is_rest;
        if (what.kind_ == piece::file) {
            with.of_file = input;
        } else {
            what.bytes_ = as_bytes(input);
        }
    }
    return {};
}

}  // namespace naru::http
