#include <naru/fs/file.hpp>

#include <naru/os/system_calls.hpp>

#include <fcntl.h>

namespace naru {

int open_for::flags() const noexcept {
    int made = access_ == access::read             ? O_RDONLY
               : access_ == access::read_and_write ? O_RDWR
                                                   : O_WRONLY | O_APPEND;
    if (creates_) made |= O_CREAT;
    if (empties_) made |= O_TRUNC;
    if (alone_) made |= O_EXCL;
    return made;
}

bool file::open_request::awaiter::await_ready() noexcept {
    const auto reserved = loop_->reserve_file();
    if (!reserved) {
        refusal_ = reserved.error();
        return true;
    }
    handle_ = owned_handle(*loop_, *reserved);
    set(*reserved, path_.c_str(), how_.flags(), how_.mode());
    return false;
}

result<file> file::open_request::awaiter::await_resume() noexcept {
    if (refusal_) return fail(refusal_);
    if (failed()) return fail(error());
    return file(std::move(handle_));
}

}  // namespace naru
