#include <naru/http/h1/response.hpp>

#include <algorithm>
#include <cstring>

namespace naru::http {

namespace {

constexpr std::size_t status_line_bytes = 12;  // HTTP/1.1 200

}  // namespace

void remembered_head::remember(std::string_view text, const response_head& head) noexcept {
    head_.size = 0;
    if (head.size > text_.size()) return;
    std::memcpy(text_.data(), text.data(), head.size);
    head_ = head;
}

void response_reader::reset() noexcept {
    std::string().swap(partial_);
    problem_ = "";
    stage_ = stage::head;
    interim_ = 0;
}

response_reader::outcome response_reader::is_bad(const char* why) noexcept {
    problem_ = why;
    return outcome::bad;
}

response_reader::outcome response_reader::finished() noexcept {
    stage_ = stage::head;
    interim_ = 0;
    return outcome::complete;
}

response_reader::outcome response_reader::skip(std::string_view& input, remembered_head& last,
                                               bool to_head) noexcept {
    while (stage_ == stage::head) {
        if (input.empty()) return outcome::need_more;
        outcome then = outcome::complete;
        const response_head* const same = partial_.empty() ? last.find(input) : nullptr;
        if (same != nullptr) {
            input.remove_prefix(same->size);
            then = take(*same);
        } else {
            response_head head;
            std::string_view text;
            then = one_head(input, to_head, head, text);
            if (then != outcome::complete) return then;
            last.remember(text, head);
            partial_.clear();
            then = take(head);
        }
        if (then == outcome::bad) return then;
    }
    std::string_view data;
    outcome then = outcome::need_more;
    do {
        then = read_body(input, data);
    } while (then == outcome::need_more && !input.empty());
    return then;
}

response_reader::outcome response_reader::read_head(std::string_view& input, bool to_head,
                                                    response_head& head, std::string& text) noexcept {
    outcome then = outcome::complete;
    while (stage_ == stage::head) {
        std::string_view found;
        then = one_head(input, to_head, head, found);
        if (then != outcome::complete) return then;
        if (partial_.empty()) {
            text.assign(found);
        } else {
            text = std::move(partial_);
            text.resize(head.size);
            partial_ = std::string();
        }
        then = take(head);
        if (then == outcome::bad) return then;
    }
    return outcome::complete;
}

// One head, interim or final. `text` lies in `input`'s memory or in `partial_`.
response_reader::outcome response_reader::one_head(std::string_view& input, bool to_head, response_head& head,
                                                   std::string_view& text) noexcept {
    const std::size_t before = partial_.size();
    text = input;
    if (before > 0) {
        partial_.append(input.substr(0, limits::response_head_bytes - before));
        text = partial_;
        // Only a piece with a LF in it can complete what was not complete; the first line is looked at
        // always, so that something that is not HTTP is found out at once.
        const bool may_end = text.find('\n', before) != std::string_view::npos;
        if (!may_end && before >= status_line_bytes && text.size() < limits::response_head_bytes) {
            input = {};
            return outcome::need_more;
        }
    }
    switch (parse_response_head(text, to_head, head, problem_)) {
        case head_state::bad:
            return outcome::bad;
        case head_state::need_more:
            if (text.size() >= limits::response_head_bytes) return is_bad("a head of more than 16 KiB");
            if (before == 0) partial_.assign(text);
            input = {};
            return outcome::need_more;
        case head_state::complete:
            break;
    }
    if (head.size > limits::response_head_bytes) return is_bad("a head of more than 16 KiB");
    input.remove_prefix(head.size - before);
    text = text.substr(0, head.size);
    return outcome::complete;
}

// Goes on to the body of a final response, or to the head behind an interim one.
response_reader::outcome response_reader::take(const response_head& head) noexcept {
    if (head.status < 200) {
        return ++interim_ > limits::interim_responses ? is_bad("interim responses without end")
                                                      : outcome::need_more;
    }
    status_ = head.status;
    keep_alive_ = head.keep_alive;
    remaining_ = head.length;
    switch (head.framing) {
        case body_framing::none:
        case body_framing::length:
            stage_ = stage::length;
            break;
        case body_framing::chunked:
            stage_ = stage::chunked;
            chunks_ = chunk_decoder(chunk_decoder::padding::accepted);
            break;
        case body_framing::until_close:
            stage_ = stage::until_close;
            break;
    }
    return outcome::complete;
}

response_reader::outcome response_reader::read_body(std::string_view& input,
                                                    std::string_view& data) noexcept {
    switch (stage_) {
        case stage::chunked:
            switch (chunks_.read(input, data)) {
                case chunk_decoder::outcome::need_more:
                    return outcome::need_more;
                case chunk_decoder::outcome::complete:
                    return finished();
                case chunk_decoder::outcome::bad:
                    break;
            }
            return is_bad(text_of(chunks_.error()));
        case stage::until_close:
            data = input;
            input = {};
            return outcome::need_more;
        default: {
            const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
            data = input.substr(0, taken);
            input.remove_prefix(taken);
            remaining_ -= taken;
            return remaining_ == 0 ? finished() : outcome::need_more;
        }
    }
}

response_reader::outcome response_reader::end() noexcept {
    if (stage_ == stage::until_close) return finished();
    // A head is looked at line by line: what is wrong in its last one may not have been seen yet.
    response_head head;
    if (!partial_.empty() && parse_response_head(partial_, false, head, problem_) == head_state::bad)
        return outcome::bad;
    return is_bad("an end in the middle");
}

}  // namespace naru::http
