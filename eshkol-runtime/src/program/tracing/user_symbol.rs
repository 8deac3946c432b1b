//! Functions of files as places for programs: where in the file one is.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use object::read::{File, ReadCache};
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};

use super::function::{Side, split};
use crate::error::{Error, Need, Result, suggestions};

/// The file of a point, and how many bytes from its start: `path:function`, `path:function+0x10`, `path:0x1139`.
pub(super) fn find<'p>(point: &'p str, side: Side, action: &impl Fn() -> String) -> Result<(&'p str, u64)> {
    let malformed = || {
        let advice = "A place is written `path:function`, `path:0x1139`, or for an entry also `path:function+0x10`";
        Error::with_advice(action(), advice, io::Error::from(io::ErrorKind::InvalidInput))
    };
    let (path, place) = point.rsplit_once(':').filter(|(path, _)| !path.is_empty()).ok_or_else(malformed)?;
    if let Some(digits) = place.strip_prefix("0x") {
        return Ok((path, u64::from_str_radix(digits, 16).map_err(|_| malformed())?));
    }
    let (name, offset) = split(place, side).ok_or_else(malformed)?;
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::with_advice(action(), format!("There is no file `{path}`"), error),
        _ => Error::system(action(), Need::Tracing, error),
    })?;
    let cache = ReadCache::new(file);
    let file = File::parse(&cache).map_err(|error| {
        Error::with_advice(action(), format!("`{path}` is no program or library"), io::Error::other(error))
    })?;
    let address = address(&file, name).ok_or_else(|| {
        let near = suggestions(&format!("function in `{path}` of this name"), name, &functions(&file), "");
        let advice =
            format!("{near}. Of a program without its table of symbols (`strip`), only what it exports has a name");
        Error::with_advice(action(), advice, io::Error::from_raw_os_error(libc::ENOENT))
    })?;
    let place = place_in_file(&file, address).ok_or_else(|| {
        let advice = format!("`{name}` is in no part of the file that is loaded");
        Error::with_advice(action(), advice, io::Error::from(io::ErrorKind::InvalidData))
    })?;
    Ok((path, place.wrapping_add(offset)))
}

/// The address of a function, as the file has it.
fn address<'d>(file: &File<'d, &'d ReadCache<fs::File>>, name: &str) -> Option<u64> {
    let symbols = file.dynamic_symbols().chain(file.symbols());
    symbols
        .filter(|symbol| symbol.is_definition())
        .find(|symbol| symbol.name() == Ok(name))
        .map(|symbol| symbol.address())
}

/// Where in the file what is loaded at an address is.
fn place_in_file<'d>(file: &File<'d, &'d ReadCache<fs::File>>, address: u64) -> Option<u64> {
    file.segments().find_map(|segment| {
        let into = address.checked_sub(segment.address())?;
        let (start, length) = segment.file_range();
        (into < length).then(|| start.wrapping_add(into))
    })
}

/// The names of what can be probed.
fn functions<'d>(file: &File<'d, &'d ReadCache<fs::File>>) -> Vec<String> {
    let symbols = file.dynamic_symbols().chain(file.symbols());
    let functions = symbols.filter(|symbol| symbol.is_definition() && symbol.kind() == object::SymbolKind::Text);
    let names: BTreeSet<String> = functions.filter_map(|symbol| symbol.name().ok().map(str::to_owned)).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(point: &str) -> std::result::Result<u64, String> {
        find(point, Side::Entry, &|| "attach".to_owned()).map(|(_, place)| place).map_err(|error| error.to_string())
    }

    #[test]
    fn places_in_this_very_file() {
        let path = std::env::current_exe().unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(found(&format!("{path}:0x1139")), Ok(0x1139));
        let main = found(&format!("{path}:main")).unwrap();
        assert_eq!(found(&format!("{path}:main+0x2")), Ok(main + 2));
        assert!(found(&format!("{path}:mian")).unwrap_err().contains("`main`"));
        assert!(found("/no/such/file:main").unwrap_err().contains("no file"));
        assert!(found("main").unwrap_err().contains("`path:function`"));
        assert!(found(&format!("{path}:main+x")).unwrap_err().contains("`path:function`"));
    }
}
