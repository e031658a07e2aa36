// Which names Windows would take for another file's, or for a device. Pure text, tested everywhere.
#include <naru/os/reserved_names.hpp>

#include <gtest/gtest.h>

#include <string>

namespace naru::testing {
namespace {

TEST(WindowsNames, OrdinaryOnesAreServed) {
    for (const char* name : {"index.html",
                             "a",
                             "a.b.c",
                             ".hidden",
                             "..a",
                             "...a",
                             "with space.txt",
                             "tilde~file.txt",
                             "~",
                             "a~",
                             "a~b.txt",
                             "backup~1.tar.gz",
                             "longername~1.txt",
                             "page~1.html",
                             "console.txt",
                             "con-fig",
                             "auxiliary",
                             "nullable.js",
                             "com",
                             "com10",
                             "lpt",
                             "lpt10.txt",
                             "\xed\x95\x9c\xea\xb8\x80.txt"})
        EXPECT_TRUE(is_plain_windows_name(name)) << name;
}

TEST(WindowsNames, NothingAndDotsAreNoNames) {
    for (const char* name : {"", ".", "..", "...", " ", ". ", " ."})
        EXPECT_FALSE(is_plain_windows_name(name)) << name;
}

TEST(WindowsNames, SeparatorsDrivesAndStreamsAreRefused) {
    for (const char* name : {"a\\b",
                             "..\\secret",
                             "\\",
                             "a/b",
                             "C:",
                             "c:secret.txt",
                             "file::$DATA",
                             "file:stream",
                             "file:",
                             ":x",
                             "file.html::$INDEX_ALLOCATION",
                             "a*",
                             "a?",
                             "a|b",
                             "a<b",
                             "a>b",
                             "a\"b",
                             "a\x01",
                             "\x1f",
                             "a\tb"})
        EXPECT_FALSE(is_plain_windows_name(name)) << name;
    EXPECT_FALSE(is_plain_windows_name(std::string("a\0b", 3)));
}

TEST(WindowsNames, TrailingDotsAndSpacesAreRefused) {
    for (const char* name : {"secret.txt.", "secret.txt ", "secret.txt...", "secret.txt. .", "dir. "})
        EXPECT_FALSE(is_plain_windows_name(name)) << name;
    EXPECT_TRUE(is_plain_windows_name(" leading"));
}

TEST(WindowsNames, DevicesAreRefusedWithAnyExtensionAndInAnyCase) {
    for (const char* name :
         {"CON",        "con",     "Con.txt", "nul",      "NUL.tar.gz", "aux",         "AUX.h",
          "prn",        "PRN.",    "com0",    "COM1",     "com9.html",  "LPT1",        "lpt9.x",
          "CONIN$",     "conout$", "clock$",  "nul .txt", "com1  .txt", "COM\xc2\xb9", "lpt\xc2\xb2.txt",
          "com\xc2\xb3"})
        EXPECT_FALSE(is_plain_windows_name(name)) << name;
}

TEST(WindowsNames, ShortNamesAreRefused) {
    for (const char* name : {"PROGRA~1", "progra~1", "SECRET~1.TXT", "a~1", "LONGFI~2.HTM", "AB1234~1.X",
                             "AAAAA~12.TXT", "a~9.", "~1"})
        EXPECT_FALSE(is_plain_windows_name(name)) << name;
}

}  // namespace
}  // namespace naru::testing
