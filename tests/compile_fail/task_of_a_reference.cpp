// says: naru: a task cannot return a reference: return a pointer
#include <naru/naru.hpp>

#ifdef MISUSE
naru::task<int&> example(int& number) { co_return number; }
#else
naru::task<int*> example(int& number) { co_return &number; }
#endif
