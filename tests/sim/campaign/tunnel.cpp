#include "sim/campaign/tunnel.hpp"

#include <utility>

namespace naru::campaign {

tunnel::tunnel(ledger& book, const errand& of, std::uint64_t crashes, plain_http2& by, dice& from)
    : talk_{book, of}, frames_{talk_, {}, {}}, from_(from.roll()) {
    talk_.crashes = crashes;
    draw_talk(talk_, from_);
    unsent_ = frames_of(frames_, from_);
    waits_ = !from_.one_in(3);
    thinks_ = !of.spared && from_.one_in(10);
    stream_ = by.open_tunnel(talk_.target, of.tls != nullptr);
    write(by);
}

void tunnel::advance(plain_http2& by) {
    if (ended_) return;
    const plain_http2::answer& got = by.at(stream_);
    if (!has_begun_ && got.got.status != 0) begin(by);
    if (ended_ || !read(by)) return;
    if (got.was_reset) return ends_with(frames_.reads.close_code(), "its stream was reset");
    if (got.ended && frames_.reads.close_code() == 0) return ends_with(0, "its stream was ended");
    write(by);
    if (got.ended && we_ended_) ends_with(frames_.reads.close_code(), "it was closed");
}

void tunnel::begin(plain_http2& by) {
    has_begun_ = true;
    talk_.book.answered(talk_.id);
    if (by.at(stream_).got.status == 200) return frames_.reads.begin();
    ended_ = true;
    judge_refused(talk_, "it was refused with " + std::to_string(by.at(stream_).got.status));
}

// False if there is nothing more to it.
bool tunnel::read(plain_http2& by) {
    if (!has_begun_) return true;
    frames_.reads.take(std::exchange(by.at(stream_).got.body, {}));
    if (frames_.reads.malformed() || !pongs_are_right(frames_)) {
        talk_.book.fail(talk_.target + " in a tunnel: what a server must not send");
        ended_ = true;
    }
    while (auto each = ended_ ? std::nullopt : frames_.reads.next())
        ended_ = !judge_message(talk_, each->is_text, each->payload);
    if (!ended_ && thinks_ && talk_.got > talk_.wanted.size() / 2) {
        by.reset(stream_);
        ended_ = true;
        ++talk_.book.cut;
    }
    return !ended_;
}

// In frames of any size. Ours is to be closed by us, what is told by the server.
void tunnel::write(plain_http2& by) {
    if (we_ended_ || (waits_ && !has_begun_)) return;
    const bool all_back = has_begun_ && !talk_.told && talk_.got == talk_.wanted.size();
    if (!closing_ && (all_back || frames_.reads.close_code() != 0)) {
        closing_ = true;
        unsent_ += plain_websocket::close_frame(1000, from_);
    }
    for (std::size_t most = 1; most > 0 && !unsent_.empty();) {
        most = by.send_on(stream_, std::string_view(unsent_).substr(0, from_.one_in(3) ? 100 : 20'000));
        unsent_.erase(0, most);
    }
    if (!closing_ || !unsent_.empty() || frames_.reads.close_code() == 0) return;
    we_ended_ = true;
    by.end(stream_);
}

void tunnel::ends_with(unsigned code, const std::string& why) {
    ended_ = true;
    if (!has_begun_) return judge_refused(talk_, why);
    const std::uint64_t before = talk_.book.served;
    judge_end(talk_, code, "in a tunnel, " + why);
    talk_.book.tunnels += talk_.book.served - before;
}

void tunnel::is_cut(std::error_code why) {
    if (!ended_) ends_with(frames_.reads.close_code(), why.message());
}

}  // namespace naru::campaign
