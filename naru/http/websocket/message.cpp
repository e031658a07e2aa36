#include <naru/http/websocket/message.hpp>

#include <algorithm>

namespace naru::websocket {

prepared_message::prepared_message(message_kind kind, bytes_view payload) : kind_(kind) {
    const frame_head head = make_frame_head(opcode_of(kind), true, false, payload.size());
    size_ = head.size + payload.size();
    head_size_ = head.size;
    bytes_ = std::make_shared_for_overwrite<std::byte[]>(size_);
    std::copy(payload.begin(), payload.end(), std::copy_n(head.bytes.begin(), head.size, bytes_.get()));
}

}  // namespace naru::websocket
