//! What the programs here share: headers as in `../clang/bpf.h`, and pointers to them that the verifier lets through.
#![no_std]

pub mod headers;

use core::mem::size_of;

use aya_ebpf::programs::XdpContext;

/// What each program needs besides: a licence, and something to do on a panic, which there is none of.
#[macro_export]
macro_rules! program {
    () => {
        #[unsafe(link_section = "license")]
        #[unsafe(no_mangle)]
        static LICENSE: [u8; 4] = *b"GPL\0";

        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            loop {}
        }
    };
}

/// What lies so many bytes into the packet, where it is long enough.
#[inline(always)]
pub fn at<T>(ctx: &XdpContext, offset: usize) -> Option<*mut T> {
    after(ctx.data() + offset, ctx)
}

/// What lies at an address in the packet, where it is long enough.
#[inline(always)]
pub fn after<T>(address: usize, ctx: &XdpContext) -> Option<*mut T> {
    if address + size_of::<T>() > ctx.data_end() {
        return None;
    }
    Some(address as *mut T)
}
