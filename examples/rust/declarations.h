/* What bindgen makes Rust's declarations from. */
#include <signal.h>
#include <tcsync.h>
#include <unistd.h>
