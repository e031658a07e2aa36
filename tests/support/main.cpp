// The test programs' main: a test that hangs ends the program by SIGALRM, whose report names it.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include <unistd.h>

namespace {

constexpr unsigned seconds_per_test = 60;
char running[256];

void report_hang(int) {
    constexpr char text[] = "\nstill running after a minute: ";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    (void)!write(STDERR_FILENO, running, std::strlen(running));
    (void)!write(STDERR_FILENO, "\n", 1);
    _exit(124);
}

class watchdog : public testing::EmptyTestEventListener {
    void OnTestStart(const testing::TestInfo& test) override {
        std::snprintf(running, sizeof running, "%s.%s", test.test_suite_name(), test.name());
        alarm(seconds_per_test);
    }
    void OnTestEnd(const testing::TestInfo&) override { alarm(0); }
};

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    std::signal(SIGALRM, report_hang);
    testing::UnitTest::GetInstance()->listeners().Append(new watchdog);
    return RUN_ALL_TESTS();
}
