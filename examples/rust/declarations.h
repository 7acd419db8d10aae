/* What bindgen makes Rust's declarations from. */
#include <signal.h>
#include <time.h>

#include <tcsync.h>
