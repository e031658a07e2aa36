#include <naru/loop/received_ahead.hpp>

#include <naru/os/socket.hpp>

namespace naru {

received_ahead::~received_ahead() {
    for (const int each : connections)
        const unique_descriptor closed(each);  // which may be a world's
}

}  // namespace naru
