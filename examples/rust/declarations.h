/* What bindgen makes Rust's declarations from. */
#include <signal.h>
#include <unistd.h>

#include <tcsync.h>
