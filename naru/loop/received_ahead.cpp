#include <naru/loop/received_ahead.hpp>

#include <naru/os/system_calls.hpp>

namespace naru {

received_ahead::~received_ahead() {
    for (const int each : connections)
        system_calls::close(each);
}

}  // namespace naru
